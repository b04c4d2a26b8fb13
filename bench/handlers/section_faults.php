<?php
// Nodes that hang and die under load: three nodes, every request changes a session. A hung node must not be felt after
// the first retry interval; with no node at all sessions of this server go on, and what they changed meanwhile must be
// on the nodes when those are back, without any further request. Then the same to every handler, beside each other.
declare(strict_types=1);

require __DIR__ . '/fault_site.php';

function section_faults(bool $quick): array
{
    $site = new FaultSite('ours_2');
    $result = ['hang' => faults_hang($site, $quick), 'outage' => faults_outage($site, $quick)];
    $site->stop();
    if (!$GLOBALS['smoke']) {
        $result['compared'] = faults_compared($quick);
    }
    return $result;
}

// Healthy and hung in turns, so that each hung time has its own healthy one beside it.
function faults_hang(FaultSite $site, bool $quick): array
{
    $figures = [];
    $failed = 0;
    for ($round = 0; $round < ($quick ? 1 : 4); ++$round) {
        progress('a node hangs: round ' . $round + 1);
        $seconds = $GLOBALS['smoke'] ? 0.2 : ($quick ? 1 : 3);
        $healthy = $site->paced($seconds);
        $site->nodes[2]->signal(SIGSTOP);
        $first = $site->paced($GLOBALS['smoke'] ? 0.4 : 2);  // the first retry interval
        $hung = $site->paced($seconds);
        $site->nodes[2]->signal(SIGCONT);
        $failed += $healthy['failed'] + $first['failed'] + $hung['failed'];
        foreach (['healthy' => $healthy, 'first_interval' => $first, 'hung' => $hung] as $when => $load) {
            $figures[$when]['p50_ms'][] = $load['p50'] / 1000;
            $figures[$when]['p99_ms'][] = $load['p99'] / 1000;
            $figures[$when]['max_ms'][] = $load['max'] / 1000;
            $figures[$when]['over_100_ms'][] = $load['over_100_ms'];
            $figures[$when]['requests'][] = $load['requests'];
        }
        // Until it is asked again.
        await(function () use ($site) {
            $site->paced(0.3);
            return $site->status()['nodes']['m2']['state'] === 'up';
        }, 'the node');
    }
    target('faults/hang/p99', 'one of three nodes hangs: p99 after the first retry interval / healthy',
        ratio($figures['hung']['p99_ms'], $figures['healthy']['p99_ms']), 1.5);
    target('faults/hang/failed', 'one of three nodes hangs: failed requests', summary([$failed]), 0);
    return array_map(fn(array $when) => array_map('summary', $when), $figures) + ['failed' => $failed];
}

function faults_outage(FaultSite $site, bool $quick): array
{
    $figures = ['healthy' => [], 'outage' => []];
    $failed = 0;
    $back_ms = [];
    $rounds = $quick ? 1 : 4;
    $seconds = $GLOBALS['smoke'] ? 0.2 : ($quick ? 0.6 : 1.5);
    for ($round = 0; $round < $rounds; ++$round) {
        progress('all nodes die: round ' . $round + 1);
        $figures['healthy']['unchanged'][] = $site->busy($seconds, false)['per_second'];
        $figures['healthy']['changed'][] = $site->busy($seconds, true)['per_second'];
        $site->killNodes();
        $figures['outage']['unchanged'][] = ($unchanged = $site->busy($seconds, false))['per_second'];
        $figures['outage']['changed'][] = ($changed = $site->busy($seconds, true))['per_second'];
        $failed += $unchanged['failed'] + $changed['failed'];
        $pending = $site->status()['memory']['unreplicated'];
        $site->startNodes();
        $start = hrtime(true);
        await(fn() => $site->status()['memory']['unreplicated'] === 0, 'the nodes to be told', 30);
        $back_ms[] = (hrtime(true) - $start) / 1e6;
    }
    $lost = $site->lost();
    $site->restartFpm();
    $lost = max($lost, $site->lost());
    foreach (['unchanged', 'changed'] as $mode) {
        target("faults/outage/$mode", "all nodes dead: requests/s of local sessions, $mode / healthy",
            ratio($figures['outage'][$mode], $figures['healthy'][$mode]), 0.9, true);
    }
    target('faults/outage/failed', 'all nodes dead: failed requests', summary([$failed]), 0);
    target('faults/outage/lost', 'all nodes dead and back: acknowledged changes lost', summary([$lost]), 0);
    return array_map(fn(array $when) => array_map('summary', $when), $figures) + ['failed' => $failed, 'lost' => $lost,
        'unreplicated' => $pending, 'told_after_ms' => summary($back_ms)];
}

// Where => handler => fault => what its visitors saw.
function faults_compared(bool $quick): array
{
    $best = ['memcached_best', 'redis_best'];
    $handlers = $quick ? ['loopback' => ['memcached_best']] : [
        'loopback' => ['memcached', 'memcached_unlocked', 'memcached_best', 'redis_locked', 'redis', 'redis_best',
            'memcache', 'ours_2'],
        'slow' => ['memcached', ...$best, 'memcache', 'ours_2'],
    ];
    $result = [];
    foreach ($handlers as $where => $names) {
        foreach ($names as $name) {
            progress("nodes hang and die, $where: $name");
            $site = new FaultSite($name, $where === 'slow');
            $result[$where][$name] = ['hang' => compared_hang($site, $quick),
                'outage' => compared_outage($site, $quick)];
            $site->stop();
        }
    }
    return $result;
}

function compared_hang(FaultSite $site, bool $quick): array
{
    $healthy = $site->paced($quick ? 0.5 : 1);
    $site->nodes[2]->signal(SIGSTOP);
    $hung = $site->paced($quick ? 1 : 3);
    $site->nodes[2]->signal(SIGCONT);
    $site->restartFpm();  // nobody waits any longer, and what is asked for next comes from the nodes
    return seen($healthy, $hung) + ['acknowledged' => $site->acknowledged(), 'lost' => $site->lost()];
}

function compared_outage(FaultSite $site, bool $quick): array
{
    $site->newSessions();
    $healthy = $site->paced($quick ? 0.5 : 1);
    $site->killNodes();
    $dead = $site->paced($quick ? 0.5 : 1);
    $site->startNodes();
    if ($site->isOurs()) {
        await(fn() => $site->status()['memory']['unreplicated'] === 0, 'the nodes to be told', 30);
    }
    $site->restartFpm();
    return seen($healthy, $dead) + ['acknowledged' => $site->acknowledged(), 'lost' => $site->lost()];
}

function seen(array $healthy, array $load): array
{
    return ['healthy_p99_ms' => $healthy['p99'] / 1000, 'healthy_failed' => $healthy['failed'],
        'healthy_requests' => $healthy['requests'],
        'requests' => $load['requests'], 'failed' => $load['failed'], 'p99_ms' => $load['p99'] / 1000,
        'max_ms' => $load['max'] / 1000];
}
