<?php
// Through nginx and php-fpm: requests per second, and the processor time of FPM's workers per request, which tells
// handlers apart where nginx and the client are busier than PHP; then latency at a rate that all of them can keep up
// with.
declare(strict_types=1);

const HTTP_SESSIONS = 64;
const HTTP_WORKERS = 4;

function section_http(bool $quick): array
{
    $stores = Stores::get();
    $peers = ['none' => null] + store_peers($stores);
    $peers['bare_set'] = new Peer('bare_set', 'one bare libmemcached set', $peers['bare']->extensions,
        $peers['bare']->settings + ['bare_handler.node' => $stores->nodes[0]], locks: false);
    if ($quick) {
        $peers = array_intersect_key($peers,
            array_flip(['none', 'bare', 'bare_set', 'files_shm', 'redis_best', 'ours_1', 'ours_2']));
    }
    $fpms = $urls = $sessions = [];
    foreach ($peers as $name => $peer) {
        $fpms[$name] = new Fpm($name, $peer, HTTP_WORKERS);
    }
    $nginx = new Nginx('http', array_map(fn(Fpm $fpm) => [$fpm->socket], $fpms));
    foreach ($peers as $name => $peer) {
        $urls[$name] = $nginx->url($name, $peer === null ? 'none' : 'page');
        $sessions[$name] = $peer === null ? [] : new_sessions($urls[$name], HTTP_SESSIONS, 4000);
        load($urls[$name], $sessions[$name] ?: [[]], 0.3);  // connections, opcache
    }
    $figures = [];
    $rounds = $quick ? 1 : 4;
    for ($round = 0; $round < $rounds; ++$round) {
        progress('nginx and php-fpm: round ' . $round + 1 . " of $rounds");
        foreach (['unchanged', 'changed'] as $mode) {
            foreach ($peers as $name => $peer) {
                if ($peer === null && $mode === 'changed') {
                    continue;
                }
                $cpu = $fpms[$name]->process->cpuTime(children: true);
                $load = (new Wrk($urls[$name] . ($mode === 'changed' ? '?change' : ''), $sessions[$name], 1))->wait();
                $cpu = $fpms[$name]->process->cpuTime(children: true) - $cpu;
                $figures[$mode][$name]['cpu_us'][] = $cpu / 1000 / $load['requests'];
                $figures[$mode][$name]['per_second'][] = $load['requests'] * 1e6 / $load['us'];
                $figures[$mode][$name]['failed'][] = $load['failed'];
            }
        }
    }
    $rate = http_paced($figures, $urls, $sessions, $quick);
    $nginx->stop();
    foreach ($fpms as $fpm) {
        $fpm->process->stop();
    }
    http_targets($figures);
    return array_map(fn($mode) => array_map(fn($peer) => array_map('summary', $peer), $mode), $figures)
        + ['rate' => $rate];
}

// Latencies say something of a handler only while nothing is saturated. Returns the requests per second.
function http_paced(array &$figures, array $urls, array $sessions, bool $quick): float
{
    $slowest = INF;
    foreach ($figures as $peers) {
        $slowest = min($slowest, ...array_map(fn(array $peer) => median($peer['per_second']), array_values($peers)));
    }
    $rate = floor(HTTP_RATE_SHARE * $slowest / 100) * 100;
    $rounds = $quick ? 1 : 3;
    for ($round = 0; $round < $rounds; ++$round) {
        progress("nginx and php-fpm, $rate requests/s: round " . $round + 1 . " of $rounds");
        foreach ($figures as $mode => $peers) {
            foreach (array_keys($peers) as $name) {
                // no session at all has no cookies
                $load = load($urls[$name] . ($mode === 'changed' ? '?change' : ''), $sessions[$name] ?: [[]],
                    $quick ? 0.2 : 0.4, $rate, 16);
                $figures[$mode][$name]['p50_us'][] = $load['p50'];
                $figures[$mode][$name]['p99_us'][] = $load['p99'];
                $figures[$mode][$name]['failed'][] = $load['failed'];
            }
        }
    }
    return $rate;
}

function http_targets(array $figures): void
{
    $cpu = fn(string $mode, string $name) => $figures[$mode][$name]['cpu_us'] ?? null;
    target('http/unchanged', 'FPM CPU per request, 4 KB unchanged / no session at all',
        ratio($cpu('unchanged', 'ours_1'), $cpu('unchanged', 'none')), 1.12);
    // 50 us on a machine on which the best peer took 63 us.
    target('http/changed_1', 'FPM CPU per request, 4 KB changed, 1 copy / phpredis\'s best',
        ratio($cpu('changed', 'ours_1'), $cpu('changed', 'redis_best')), 50 / 63);
    target('http/changed_2', 'FPM CPU per request, 4 KB changed, 2 copies / phpredis\'s best with one',
        ratio($cpu('changed', 'ours_2'), $cpu('changed', 'redis_best')), 1);
    $failed = 0;
    foreach ($figures as $mode) {
        foreach ($mode as $name => $peer) {
            $is_ours = str_starts_with($name, 'ours') || str_starts_with($name, 'behind');
            $failed += $is_ours ? array_sum($peer['failed']) : 0;
        }
    }
    target('http/failed', 'failed requests of ours', summary([$failed]), 0);
}
