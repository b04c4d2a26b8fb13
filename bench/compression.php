<?php
// Five payloads (payloads.php) compressed as the extension does it, as phpredis does and as php-memcached does: bytes, and
// processor time there and back. Prints a table in Markdown.
//   php bench/compression.php out/release/bench/compression_bench
// Takes the extensions redis and memcached, redis-server and memcached. php-memcached has no call that only compresses:
// its time is that of setting and getting an item, less that of an item which is stored as it is.

require __DIR__ . '/payloads.php';
const SAMPLES = 100;
const SECONDS_MIN = 0.1;

function cpu_seconds(): float {
  $usage = getrusage();
  return $usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec'] + ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']) / 1e6;
}
// Microseconds that one call takes.
function cost(callable $call): float {
  for ($rounds = 16; ; $rounds *= 2) {
    $start = cpu_seconds();
    for ($i = 0; $i < $rounds; ++$i) $call();
    $seconds = cpu_seconds() - $start;
    if ($seconds >= SECONDS_MIN) return $seconds / $rounds * 1e6;
  }
}
// A server on a unix socket, which ends with this script.
function start_server(string $command, string $socket): void {
  $process = proc_open("exec $command", [1 => ['file', '/dev/null', 'w'], 2 => ['file', '/dev/null', 'w']], $pipes);
  register_shutdown_function(static function () use ($process) {
    proc_terminate($process, SIGKILL);
    proc_close($process);
  });
  for ($tries = 0; !@stream_socket_client("unix://$socket"); ++$tries) {
    if ($tries === 1000) exit("$command does not start\n");
    usleep(10000);
  }
}

$bench = $argv[1] ?? exit("usage: php bench/compression.php PATH/compression_bench\n");
$folder = sys_get_temp_dir() . '/clustered_session_compression_' . bin2hex(random_bytes(8));
mkdir($folder);
register_shutdown_function(static fn() => array_map('unlink', glob("$folder/*")) && rmdir($folder));
start_server("redis-server --port 0 --save '' --unixsocket $folder/redis", "$folder/redis");
start_server("memcached -u root -s $folder/memcached -a 777", "$folder/memcached");

function by_phpredis(string $folder, string $payload): array {
  $rows = [];
  foreach (['LZF' => Redis::COMPRESSION_LZF, 'LZ4' => Redis::COMPRESSION_LZ4, 'zstd 3' => Redis::COMPRESSION_ZSTD] as $name => $kind) {
    $redis = new Redis();
    $redis->connect("$folder/redis");
    $redis->setOption(Redis::OPT_COMPRESSION, $kind);
    $compressed = $redis->_compress($payload);
    $rows["phpredis, $name"] = [strlen($compressed), cost(fn() => $redis->_compress($payload)), cost(fn() => $redis->_uncompress($compressed))];
  }
  return $rows;
}
function by_php_memcached(string $folder, string $payload): array {
  $rows = [];
  foreach (['' => null, 'FastLZ' => Memcached::COMPRESSION_FASTLZ, 'zlib' => Memcached::COMPRESSION_ZLIB] as $name => $kind) {
    $memcached = new Memcached();
    $memcached->addServer("$folder/memcached", 0);
    $memcached->setOption(Memcached::OPT_COMPRESSION, $kind !== null);
    if ($kind !== null) $memcached->setOption(Memcached::OPT_COMPRESSION_TYPE, $kind);
    $set = cost(fn() => $memcached->set('item', $payload));
    $get = cost(fn() => $memcached->get('item'));
    if ($memcached->get('item') !== $payload) exit("php-memcached does not give back what was set\n");
    if ($kind === null) {
      [$plain_set, $plain_get] = [$set, $get];
      continue;
    }
    $socket = stream_socket_client("unix://$folder/memcached");
    fwrite($socket, "mg item s\r\n");
    $size = (int) substr(fgets($socket), strlen('HD s'));
    $rows["php-memcached, $name"] = [$size, max(0, $set - $plain_set), max(0, $get - $plain_get)];
  }
  return $rows;
}

ini_set('memcached.compression_threshold', '1');
$sizes = $tables = [];
$visitors = array_map(payloads(...), range(0, SAMPLES));
foreach ($visitors[0] as $name => $payload) {
  file_put_contents("$folder/payload", $payload);
  for ($visitor = 1; $visitor <= SAMPLES; ++$visitor) file_put_contents("$folder/sample$visitor", $visitors[$visitor][$name]);
  exec(escapeshellarg($bench) . " $folder/payload $folder/sample*", $lines, $code);
  if ($code !== 0) exit("compression_bench failed\n");
  $rows = [];
  foreach ($lines as $line) {
    [$way, $size, $there, $back] = explode("\t", $line);
    $rows["clustered_session, $way"] = [(int) $size, (float) $there, (float) $back];
  }
  unset($lines);
  $sizes[$name] = strlen($payload);
  $tables[$name] = $rows + by_phpredis($folder, $payload) + by_php_memcached($folder, $payload);
}
echo '| bytes, µs there / back |';
foreach ($sizes as $name => $size) echo ' ', $name, ', ', number_format($size), ' |';
echo "\n|---|", str_repeat('---|', count($sizes)), "\n";
foreach (array_keys(current($tables)) as $way) {
  echo "| $way |";
  foreach ($tables as $rows) printf(' %s, %.0f / %.0f |', number_format($rows[$way][0]), $rows[$way][1], $rows[$way][2]);
  echo "\n";
}
