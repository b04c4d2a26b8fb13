<?php
// Eight requests of one session at once, each holding it for 5 ms: how long all of them take together, and whether what
// they changed is there. Each sets a key of its own; where sessions are locked, each also counts one up.
declare(strict_types=1);

const AT_ONCE = 8;
const HOLD_US = 5000;

function section_parallel(bool $quick): array
{
    $names = ['files_shm', 'memcached', 'redis_locked', 'ours_1', 'memcached_best', 'redis_best', 'ours_unlocked'];
    $peers = array_intersect_key(store_peers(Stores::get()), array_flip($names));
    $fpms = $figures = [];
    foreach ($peers as $name => $peer) {
        $fpms[$name] = new Fpm("parallel_$name", $peer, AT_ONCE);
    }
    $nginx = new Nginx('parallel', array_map(fn(Fpm $fpm) => [$fpm->socket], $fpms));
    $rounds = $GLOBALS['smoke'] ? 2 : ($quick ? 3 : 20);
    for ($round = 0; $round < $rounds; ++$round) {
        progress('parallel requests: round ' . $round + 1 . " of $rounds");
        foreach ($peers as $name => $peer) {
            foreach (parallel_round($nginx->url($name, 'page'), $peer->locks) as $what => $value) {
                $figures[$name][$what][] = $value;
            }
        }
    }
    $nginx->stop();
    array_map(fn(Fpm $fpm) => $fpm->process->stop(), $fpms);

    target('parallel/locked', '8 parallel requests of one session, 5 ms each / files on /dev/shm',
        ratio($figures['ours_1']['ms'], $figures['files_shm']['ms']), 1.1);
    if (isset($figures['memcached_best'])) {
        target('parallel/merged', 'the same with lock=none and merge / the faster peer without a lock',
            ratio($figures['ours_unlocked']['ms'],
                array_map('min', $figures['memcached_best']['ms'], $figures['redis_best']['ms'])), 1.5);
    }
    foreach (['ours_1', 'ours_unlocked'] as $name) {
        target("parallel/lost/$name", "8 parallel requests, changes lost or requests failed: {$peers[$name]->label}",
            summary([array_sum($figures[$name]['lost']) + array_sum($figures[$name]['failed'])]), 0);
    }
    return array_map(fn(array $peer) => ['ms' => summary($peer['ms']), 'lost' => array_sum($peer['lost']),
        'failed' => array_sum($peer['failed']), 'rounds' => $rounds], $figures);
}

function parallel_round(string $url, bool $locks): array
{
    [$cookies] = new_sessions($url, 1, 4000);
    $requests = [];
    for ($i = 0; $i < AT_ONCE; ++$i) {
        $requests[] = ["$url?key=$i&sleep=" . HOLD_US . ($locks ? '&change' : ''), $cookies];
    }
    $answers = ask_at_once($requests);
    $failed = count(array_filter($answers, fn(array $answer) => $answer['status'] !== 200));
    $last = ask($url, $cookies);
    [$changes, $keys] = array_map('intval', explode(' ', $last['body']) + [1 => '0']);
    // Of those that were acknowledged: its key, or where sessions are locked the count as well.
    $lost = max(0, AT_ONCE - $failed - ($locks ? min($keys, $changes) : $keys));
    return ['ms' => max(array_column($answers, 'seconds')) * 1000, 'failed' => $failed, 'lost' => $lost];
}
