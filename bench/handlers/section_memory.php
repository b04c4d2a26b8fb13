<?php
// What a session takes of local_memory, and what a cycle costs among more sessions and with more workers.
declare(strict_types=1);

const GROWTH = [1000, 10000, 100000, 1000000];
const WORKERS = [1, 2, 4, 8, 16, 32, 64];

function memory_worker(string $name, array $settings, ?int $cpu = null): Process
{
    $options = [];
    foreach ($settings as $setting => $value) {
        array_push($options, '-d', "$setting=\"$value\"");
    }
    return new Process("memory_$name", ['php', '-n', '-d', 'memory_limit=1G', '-d', 'extension=posix', '-d',
        "extension=$GLOBALS[extension]", ...$options, __DIR__ . '/memory_worker.php'], $cpu);
}

function local_settings(string $memory): array
{
    return ['session.save_handler' => 'clustered', 'session.save_path' => '', 'clustered_session.local_memory' => $memory,
        'clustered_session.affinity' => 'balancer', 'clustered_session.server_id' => 'bench'];
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
        $worker = memory_worker("per_session_$bytes", local_settings('256M'), php_cpu());
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
    $workers = ['ours' => memory_worker('growth', local_settings('1G'), php_cpu()),
        'files_shm' => memory_worker('growth_files', ['session.save_handler' => 'files',
            'session.save_path' => "$GLOBALS[memory_folder]/growth"], php_cpu())];
    @mkdir("$GLOBALS[memory_folder]/growth");
    $result = $rounds = [];
    foreach ($quick ? [1000, 10000, 50000] : GROWTH as $count) {
        progress("growth: $count sessions");
        foreach ($workers as $name => $worker) {
            if ($name === 'files_shm' && $count > 100000) {
                continue;
            }
            $worker->ask(['grow' => $count, 'bytes' => 150]);
        }
        for ($round = 0; $round < ($quick ? 5 : 15); ++$round) {
            foreach ($workers as $name => $worker) {
                if ($name === 'files_shm' && $count > 100000) {
                    continue;
                }
                $answer = $worker->ask(['cycles' => $quick ? 1000 : 4000]);
                if ($answer['made'] !== 0) {
                    throw new RuntimeException("$name has lost $answer[made] of $count sessions");
                }
                $rounds[$name][$count][] = $answer['cpu'] / 1000;
            }
        }
    }
    foreach ($rounds as $name => $counts) {
        $result[$name] = array_map('summary', $counts);
    }
    array_map(fn(Process $worker) => $worker->stop(), $workers);
    return $result;
}

function memory_workers(bool $quick): array
{
    $worker = memory_worker('workers', local_settings('64M'));
    $worker->ask(['grow' => 1000, 'bytes' => 4000]);
    $rounds = [];
    for ($round = 0; $round < ($quick ? 2 : 5); ++$round) {
        foreach ($quick ? [1, 8, 64] : WORKERS as $workers) {
            progress("workers: $workers");
            $answer = $worker->ask(['workers' => $workers, 'ms' => $quick ? 150 : 400]);
            $rounds[$workers]['cpu_us'][] = $answer['cpu'] / 1000;
            $rounds[$workers]['per_second'][] = $answer['per_second'];
        }
    }
    $worker->stop();
    return array_map(fn(array $figures) => array_map('summary', $figures), $rounds);
}
