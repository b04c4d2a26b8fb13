<?php
// How often a session cycle waits for the network, counted by a relay between PHP and the stores (of stores that are
// asked at once the slower one counts), and how many system calls it makes, counted by strace.
declare(strict_types=1);

const WAIT_CYCLES = 10;

function section_waits(bool $quick): array
{
    $stores = Stores::get();
    $relay = new Relay($stores->ports());
    $result = [];
    foreach (store_peers($stores, $relay->ports) as $name => $peer) {
        if (!$peer->remote) {
            continue;
        }
        progress("network waits: $peer->label");
        $peer = peer_with_balancer_affinity($peer);
        $worker = new Process("waits_$name", ['php', ...$peer->phpOptions(), __DIR__ . '/cycle_worker.php'], php_cpu());
        $id = $worker->ask(['make' => 4096]);
        foreach (['unchanged' => false, 'changed' => true] as $mode => $change) {
            $worker->ask(['id' => $id, 'change' => $change, 'cycles' => 2]);  // connections
            $before = $relay->waits();
            $worker->ask(['id' => $id, 'change' => $change, 'cycles' => WAIT_CYCLES]);
            $counts = array_map(fn($after, $before) => $after - $before, $relay->waits(), $before);
            $result[$mode][$name] = max($counts) / WAIT_CYCLES;
        }
        $worker->stop();
    }
    $relay->stop();
    $result['system_calls'] = system_calls($quick);
    target('waits/calls', 'system calls, unchanged', summary([$result['system_calls']['unchanged']['ours_2']]), 0);
    target('waits/unchanged', 'network waits, unchanged', summary([$result['unchanged']['ours_2']]), 0);
    target('waits/changed', 'network waits, changed, 2 copies', summary([$result['changed']['ours_2']]), 1);
    return $result;
}

function system_calls(bool $quick): array
{
    $result = [];
    foreach (store_peers(Stores::get()) as $name => $peer) {
        if (in_array($name, $quick ? ['files_shm', 'ours_1', 'ours_2']
            : ['files_shm', 'memcached', 'memcached_best', 'redis_best', 'ours_1', 'ours_2'], true)) {
            progress("system calls: $peer->label");
            foreach (['unchanged' => false, 'changed' => true] as $mode => $change) {
                $result[$mode][$name] = calls_per_cycle(fn(int $cycles) => calls_of($peer, $change, $cycles));
            }
        }
    }
    $set = fn(int $cycles) => calls_of_process(['php', '-n', '-d', 'extension=ffi', '-d', 'ffi.enable=1',
        __DIR__ . '/bare_set.php', (string) Stores::get()->nodes[0]],
        fn(Process $worker) => $worker->ask(['bytes' => 4096, 'cycles' => $cycles]));
    $result['changed']['bare_set'] = calls_per_cycle($set);
    return $result;
}

// $calls counts those of a whole process that does so many cycles.
function calls_per_cycle(callable $calls): float
{
    return ($calls(30) - $calls(10)) / 20;
}

// strace slows PHP down, so that nodes get more time.
function calls_of(Peer $peer, bool $change, int $cycles): int
{
    $options = peer_with_balancer_affinity($peer)->phpOptions();
    if ($peer->ours) {
        array_push($options, '-d', 'clustered_session.operation_timeout=20s',
            '-d', 'clustered_session.connect_timeout=20s');
    }
    return calls_of_process(['php', ...$options, __DIR__ . '/cycle_worker.php'],
        function (Process $worker) use ($change, $cycles) {
        $id = $worker->ask(['make' => 4096]);
        $worker->ask(['id' => $id, 'change' => $change, 'cycles' => $cycles]);
    });
}

function calls_of_process(array $command, callable $work): int
{
    static $number = 0;
    $file = "$GLOBALS[folder]/calls_" . ++$number;
    $worker = new Process("calls_$number", ['strace', '-f', '-qq', '-o', $file, ...$command], php_cpu());
    $work($worker);
    $worker->finish();
    return count(preg_grep('/^\d+ +\w+\(/', file($file)));
}
