<?php
// The comparison that a user looks for first: one table, which docs/benchmarks.md begins with and README.md repeats.
// Used by bench/page.
declare(strict_types=1);

const COMPARISON_HEAD = ['4 KB session', 'files, one server', 'php-memcached', 'phpredis', 'clustered_session'];

// A time with its unit; null was not measured.
function time_of(?float $us): ?string
{
    return match (true) {
        $us === null => null,
        $us >= 1000 => Chart::number($us / 1000) . ' ms',
        default => Chart::number($us) . ' us',
    };
}

// The cell of a peer, with its defaults and with its fastest settings; empty unless both were measured.
function pair(?string $defaults, ?string $fastest): string
{
    return $defaults === null || $fastest === null ? '' : "$defaults / $fastest";
}

function cycle_row(string $what, string $mode): array
{
    $us = fn(string $where, string $name) => time_of(at('cycle', $where, "$mode/4096", $name, 'us'));
    return [$what, (string) $us('loopback', 'files_shm'), pair($us('slow', 'memcached'), $us('slow', 'memcached_best')),
        pair($us('slow', 'redis'), $us('slow', 'redis_best')), (string) $us('slow', 'ours_2')];
}

function waits_row(string $what, string $mode): array
{
    $waits = function (string $name) use ($mode): ?string {
        $count = at('waits', $mode, $name);
        return $count === null ? null : (string) $count;
    };
    return [$what, $waits('ours_2') === null ? '' : '0', pair($waits('memcached'), $waits('memcached_best')),
        pair($waits('redis'), $waits('redis_best')), (string) $waits('ours_2')];
}

function processor_row(string $what, string $mode): array
{
    $us = fn(string $name) => time_of(at('http', $mode, $name, 'cpu_us'));
    return [$what, (string) $us('files_shm'), pair($us('memcached'), $us('memcached_best')),
        pair($us('redis'), $us('redis_best')), (string) $us('ours_2')];
}

// Of eight requests of one session at once. 'failed' is of handlers with a lock, 'lost' of those without.
function parallel_row(string $what, string $kind, array $names): array
{
    global $results;
    $row = [$what];
    foreach ($names as $name) {
        $figures = $results['sections']['parallel'][$name] ?? null;
        $row[] = match (true) {
            $name === null => 'always locks',
            $figures === null => '',
            default => $figures[$kind] . ' of ' . 8 * $figures['rounds'],
        };
    }
    return $row;
}

function faults_row(string $what, string $fault, string $kind, string $of): array
{
    global $results;
    $count = function (string $name) use ($fault, $kind, $of, $results): ?string {
        $seen = $results['sections']['faults']['compared']['loopback'][$name][$fault] ?? null;
        return $seen === null ? null : "$seen[$kind] of $seen[$of]";
    };
    return [$what, $count('ours_2') === null ? '' : 'no nodes', pair($count('memcached'), $count('memcached_best')),
        pair($count('redis'), $count('redis_best')), (string) $count('ours_2')];
}

/** @return array<string[]> */
function comparison_rows(): array
{
    return [
        cycle_row('session time per request, unchanged', 'unchanged'),
        cycle_row('session time per request, changed', 'changed'),
        waits_row('network waits, unchanged', 'unchanged'),
        waits_row('network waits, changed', 'changed'),
        processor_row('processor time of php-fpm per request, unchanged', 'unchanged'),
        processor_row('processor time of php-fpm per request, changed', 'changed'),
        parallel_row('8 requests of one session at once, with a lock: failed', 'failed',
            ['files_shm', 'memcached', 'redis_locked', 'ours_1']),
        parallel_row('the same without a lock: changes lost', 'lost',
            [null, 'memcached_best', 'redis_best', 'ours_unlocked']),
        faults_row('one of three nodes hangs: requests failed', 'hang', 'failed', 'requests'),
        faults_row('all nodes die and come back empty: requests failed', 'outage', 'failed', 'requests'),
        faults_row('all nodes die and come back empty: saved changes lost', 'outage', 'lost', 'acknowledged'),
    ];
}

function comparison(): void
{
    prose('This table shows what a session costs beside other save handlers, and what a failure does. Two figures in a',
        'cell are the peer\'s default settings and its fastest settings (no lock, persistent connections).');
    table(COMPARISON_HEAD, comparison_rows());
    prose('Session time is session_start() and session_write_close() together, with a network round trip of 0.5 ms to',
        'the nodes; files need no network. clustered_session keeps two copies on the nodes and has its lock. The',
        'fastest settings of php-memcached in the last three rows also keep a second copy. phpredis has several hosts',
        'in its save_path; Redis Sentinel and Redis Cluster were not measured.');
}

// README.md with the comparison between its two marks brought up to date; null if the marks are not there.
function readme_with_comparison(string $readme): ?string
{
    global $page;
    $kept = $page;
    $page = '';
    table(COMPARISON_HEAD, comparison_rows());
    [$table, $page] = [ltrim($page, "\n"), $kept];
    $begin = "<!-- comparison: begin (made by bench/page) -->\n";
    $end = '<!-- comparison: end -->';
    $from = strpos($readme, $begin);
    $to = strpos($readme, $end);
    return $from === false || $to === false ? null
        : substr($readme, 0, $from + strlen($begin)) . $table . substr($readme, $to);
}
