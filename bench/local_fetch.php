<?php
// One 4 KB string from APCu and from the local store, in one process, in turns; prints JSON for bench/local_report.php:
// nanoseconds of processor time per call, the median of the rounds, without what the loop costs. Run by bench/run_local.
//   apcu_fetch, local_store_fetch: by a key that is ready, among 1 or 1000 of them
//   local_store_hash_and_fetch: the session ID is hashed (BLAKE2b) as well, which a request does once for all it asks
const ROUNDS = 41;
const CALLS = 20000;

function ready(int $count): array
{
    $payload = random_bytes(4096);
    $keys = [];
    for ($i = 0; $i < $count; $i++) {
        $id = bin2hex(random_bytes(16)) . '-m1';
        $key = local_store_key($id);
        if (!apcu_store($id, $payload) || !local_store_put($key, $payload)) {
            throw new Exception('a store is full');
        }
        if (apcu_fetch($id) !== $payload || local_store_fetch($key) !== $payload
            || local_store_hash_and_fetch($id) !== $payload) {
            throw new Exception('a store lost the string');
        }
        $keys['apcu_fetch'][] = $id;
        $keys['local_store_fetch'][] = $key;
        $keys['local_store_hash_and_fetch'][] = $id;
        $keys['empty'][] = $id;
    }
    for ($i = 0; $i < CALLS; $i++) {
        $order[] = mt_rand(0, $count - 1);
    }
    return [$keys, $order];
}

function processor_time(): int
{
    $use = getrusage();
    return ($use['ru_utime.tv_sec'] + $use['ru_stime.tv_sec']) * 1000000 + $use['ru_utime.tv_usec'] + $use['ru_stime.tv_usec'];
}

// One loop each, so that none goes through a variable function.
function round_of(string $what, array $keys, array $order): float
{
    $start = processor_time();
    switch ($what) {
        case 'apcu_fetch':
            foreach ($order as $i) { $found = apcu_fetch($keys[$i]); }
            break;
        case 'local_store_fetch':
            foreach ($order as $i) { $found = local_store_fetch($keys[$i]); }
            break;
        case 'local_store_hash_and_fetch':
            foreach ($order as $i) { $found = local_store_hash_and_fetch($keys[$i]); }
            break;
        case 'empty':
            foreach ($order as $i) { $found = $keys[$i]; }
            break;
    }
    return (processor_time() - $start) * 1000 / CALLS;
}

mt_srand(1);
$result = [];
foreach ([1, 1000] as $count) {
    [$keys, $order] = ready($count);
    $times = [];
    for ($round = 0; $round < ROUNDS; $round++) {
        foreach (array_keys($keys) as $what) {
            $times[$what][] = round_of($what, $keys[$what], $order);
        }
    }
    foreach ($times as $what => $list) {
        sort($list);
        $median[$what] = $list[intdiv(count($list), 2)];
    }
    foreach ($median as $what => $time) {
        $result["$what/$count"] = round($time - ($what === 'empty' ? 0 : $median['empty']), 1);
    }
}
echo json_encode(['php' => PHP_VERSION, 'apcu' => phpversion('apcu'), 'nanoseconds' => $result], JSON_PRETTY_PRINT), "\n";
