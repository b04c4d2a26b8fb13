<?php
// What a session takes of local_memory, and what a cycle costs among more sessions and with more workers.
declare(strict_types=1);

const GROWTH = [1000, 10000, 100000, 1000000];
const GROWTH_BYTES = 200;
const FILE_BYTES = 5120;  // what a small file takes of /dev/shm and of the kernel
const WORKERS = [1, 2, 4, 8, 16, 32, 64];

// Each takes pcntl and posix from PHP itself.
function memory_worker(string $name, Peer $peer, array $settings = [], ?int $cpu = null): Process
{
    $options = $peer->phpOptions();
    foreach ($settings as $setting => $value) {
        array_push($options, '-d', "$setting=\"$value\"");
    }
    return new Process("memory_$name", ['php', ...$options, '-d', 'memory_limit=1G', '-d', 'extension=posix',
        __DIR__ . '/memory_worker.php'], $cpu);
}

// No node: what this server's own copies take.
function local_peer(string $memory): Peer
{
    return new Peer('local', '', [$GLOBALS['extension']], [
        'session.save_handler' => 'clustered', 'session.save_path' => '',
        'clustered_session.local_memory' => $memory, 'clustered_session.affinity' => 'balancer',
        'clustered_session.server_id' => 'bench'], true);
}

function section_memory(bool $quick): array
{
    return ['per_session' => memory_per_session($quick), 'growth' => memory_growth($quick),
        'workers' => memory_workers($quick)];
}

function memory_per_session(bool $quick): array
{
    $result = [];
    foreach ([200, 4096, 65536] as $bytes) {
        progress("memory per session, $bytes bytes");
        $worker = memory_worker("per_session_$bytes", local_peer('256M'), cpu: php_cpu());
        $count = $quick ? 500 : 2000;
        $worker->ask(['grow' => $count, 'bytes' => $bytes]);
        $memory = $worker->ask(['status' => true]);
        if ($memory['entries'] !== $count) {
            throw new RuntimeException("$memory[entries] of $count sessions are kept");
        }
        $fixed = ($memory['bytes'] - $memory['payload_bytes']) / $memory['entries_max'];
        $result[$bytes] = ['payload_bytes' => round($memory['payload_used'] / $count, 1),
            'entry_bytes' => round($fixed, 1)];
        $worker->stop();
    }
    return $result;
}

function memory_growth(bool $quick): array
{
    @mkdir($folder = "$GLOBALS[memory_folder]/growth");
    $files = store_peers(Stores::get())['files_shm'];
    $workers = ['ours' => memory_worker('growth', local_peer('1G'), cpu: php_cpu()),
        'files_shm' => memory_worker('growth_files', $files, ['session.save_path' => $folder], php_cpu())];
    $rounds = [];
    foreach ($quick ? [1000, 10000, 50000] : GROWTH as $count) {
        progress("growth: $count sessions");
        if ($count > 100000 && disk_free_space($folder) < 2 * FILE_BYTES * $count) {
            unset($workers['files_shm']);
        }
        foreach ($workers as $worker) {
            $worker->ask(['grow' => $count, 'bytes' => GROWTH_BYTES]);
        }
        for ($round = 0; $round < ($quick ? 5 : 15); ++$round) {
            foreach ($workers as $name => $worker) {
                $answer = $worker->ask(['cycles' => $quick ? 1000 : 4000]);
                none_lost($name, $answer, $count);
                $rounds[$name][$count][] = $answer['cpu'] / 1000;
            }
        }
    }
    array_map(fn(Process $worker) => $worker->stop(), $workers);
    return array_map(fn(array $counts) => array_map('summary', $counts), $rounds);
}

function none_lost(string $name, array $answer, int $count): void
{
    if ($answer['made'] !== 0) {
        throw new RuntimeException("$name has lost $answer[made] of $count sessions");
    }
}

// Number of workers => handler => cycles per second of all, and processor time of a cycle.
function memory_workers(bool $quick): array
{
    @mkdir($folder = "$GLOBALS[memory_folder]/workers");
    $peers = store_peers(Stores::get());
    $workers = ['ours' => memory_worker('workers', local_peer('64M')),
        'files_shm' => memory_worker('workers_files', $peers['files_shm'], ['session.save_path' => $folder])];
    foreach ($quick ? [] : ['memcached_best', 'redis_best'] as $name) {
        $workers[$name] = memory_worker("workers_$name", $peers[$name]);
    }
    foreach ($workers as $worker) {
        $worker->ask(['grow' => 1000, 'bytes' => 4096, 'apart' => true]);
    }
    $rounds = [];
    for ($round = 0; $round < ($quick ? 2 : 3); ++$round) {
        foreach ($quick ? [1, 8, 64] : WORKERS as $number) {
            progress("workers: $number");
            foreach ($workers as $name => $worker) {
                $answer = $worker->ask(['workers' => $number, 'ms' => $quick ? 150 : 250]);
                none_lost($name, $answer, 1000);
                $rounds[$number][$name]['cpu_us'][] = $answer['cpu'] / 1000;
                $rounds[$number][$name]['per_second'][] = $answer['per_second'];
            }
        }
    }
    array_map(fn(Process $worker) => $worker->stop(), $workers);
    return array_map(fn(array $names) => array_map(fn(array $figures) => array_map('summary', $figures), $names),
        $rounds);
}
