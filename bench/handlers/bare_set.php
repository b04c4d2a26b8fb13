<?php
// One bare libmemcached call after the other: memcached_set() on one open connection, as any client of libmemcached
// would at best. On standard input, a JSON line each: {"bytes", "cycles"}; answers nanoseconds per call, by the clock
// and of processor time. $argv[1] is the port. Started by section_cycle.php, with the ffi extension.
declare(strict_types=1);

$library = FFI::cdef('
  typedef struct memcached_st memcached_st;
  memcached_st *memcached_create(memcached_st *ptr);
  int memcached_server_add(memcached_st *ptr, const char *hostname, uint16_t port);
  int memcached_behavior_set(memcached_st *ptr, int flag, uint64_t data);
  int memcached_set(memcached_st *ptr, const char *key, size_t key_length, const char *value, size_t value_length,
    long expiration, uint32_t flags);', 'libmemcached.so.11');
const TCP_NODELAY = 1;
const EXPIRATION_S = 1440;
$memcached = $library->memcached_create(null);
$library->memcached_behavior_set($memcached, TCP_NODELAY, 1);
$library->memcached_server_add($memcached, '127.0.0.1', (int) $argv[1]);

while (($line = fgets(STDIN)) !== false) {
    ['bytes' => $bytes, 'cycles' => $cycles] = json_decode($line, true);
    $value = substr(bin2hex(random_bytes(intdiv($bytes, 2) + 1)), 0, $bytes);
    $failed = 0;
    $use = getrusage();
    $start = hrtime(true);
    for ($i = 0; $i < $cycles; ++$i) {
        $failed |= $library->memcached_set($memcached, 'cs:aaaaaaaaaaaaaaaaaaaaaa', 25, $value, $bytes,
            EXPIRATION_S, 0);
    }
    $wall = hrtime(true) - $start;
    $end = getrusage();
    $cpu = 0;
    foreach (['ru_utime', 'ru_stime'] as $part) {
        $cpu += 1e9 * ($end["$part.tv_sec"] - $use["$part.tv_sec"])
            + 1e3 * ($end["$part.tv_usec"] - $use["$part.tv_usec"]);
    }
    if ($failed !== 0) {
        fwrite(STDERR, "memcached_set says $failed\n");
        exit(1);
    }
    fwrite(STDOUT, json_encode(['wall' => $wall / $cycles, 'cpu' => $cpu / $cycles]) . "\n");
}
