<?php
// One PHP process each, in turns: what a session cycle (session_start, session_write_close) costs, unchanged and
// changed, by payload, on loopback and with a round trip of 0.5 ms.
declare(strict_types=1);

const PAYLOADS = [200, 4096, 65536, 512000];
const ROUND_TRIP_US = 500;

final class CycleBench
{
    private array $workers = [];
    private array $ids = [];    // peer => payload => session ID
    private array $batch = [];  // what => cycles of one measurement
    private array $changes = [];
    public array $times = [];   // what => peer => 'wall' or 'cpu' => rounds

    /** @param array<string, Peer> $peers */
    public function __construct(private array $peers, private string $where, private float $batch_ms)
    {
        foreach ($peers as $peer) {
            $this->workers[$peer->name] = new Process("cycle_{$where}_$peer->name",
                ['php', ...$peer->phpOptions(), __DIR__ . '/cycle_worker.php'], php_cpu());
        }
    }

    public function addBareSet(int $port): void
    {
        $this->workers['bare_set'] = new Process("cycle_{$this->where}_bare_set",
            ['php', '-n', '-d', 'extension=ffi', '-d', 'ffi.enable=1', __DIR__ . '/bare_set.php', (string) $port],
            php_cpu());
    }

    /** @param int[] $payloads */
    public function run(array $payloads, int $rounds): void
    {
        foreach ($payloads as $bytes) {
            foreach ($this->peers as $name => $peer) {
                $this->ids[$name][$bytes] = $this->workers[$name]->ask(['make' => $bytes]);
                $this->changes[$name][$bytes] = 1000000000;
            }
        }
        for ($round = 0; $round < $rounds; ++$round) {
            progress("session cycles, $this->where: round " . $round + 1 . " of $rounds");
            foreach ($payloads as $bytes) {
                foreach (['unchanged', 'changed'] as $mode) {
                    foreach (array_keys($this->workers) as $name) {
                        if ($name !== 'bare_set' || $mode === 'changed') {
                            $this->measure($name, $bytes, $mode);
                        }
                    }
                }
            }
        }
        foreach ($this->workers as $worker) {
            $worker->stop();
        }
    }

    private function measure(string $name, int $bytes, string $mode): void
    {
        $what = "$mode/$bytes";
        if (!isset($this->batch["$name/$what"])) {
            $this->ask($name, $bytes, $mode, 2);
            // The shortest of three, so that one hiccup makes no short batches.
            $shortest = min(array_map(fn() => $this->ask($name, $bytes, $mode, 5)['wall'], [1, 2, 3]));
            $this->batch["$name/$what"] = max(3, min(5000, (int) ($this->batch_ms * 1e6 / $shortest)));
        }
        $answer = $this->ask($name, $bytes, $mode, $this->batch["$name/$what"]);
        foreach (['wall', 'cpu'] as $clock) {
            $this->times[$what][$name][$clock][] = $answer[$clock] / 1000;
        }
    }

    private function ask(string $name, int $bytes, string $mode, int $cycles): array
    {
        if ($name === 'bare_set') {
            return $this->workers[$name]->ask(['bytes' => $bytes, 'cycles' => $cycles]);
        }
        $answer = $this->workers[$name]->ask(
            ['id' => $this->ids[$name][$bytes], 'change' => $mode === 'changed', 'cycles' => $cycles]);
        $this->changes[$name][$bytes] += $mode === 'changed' ? $cycles : 0;
        if ($answer['changes'] !== $this->changes[$name][$bytes]) {
            throw new RuntimeException("$name lost changes: $answer[changes], not {$this->changes[$name][$bytes]}");
        }
        return $answer;
    }

    public function summary(): array
    {
        $result = [];
        foreach ($this->times as $what => $peers) {
            foreach ($peers as $name => $clocks) {
                $result[$what][$name] = ['us' => summary($clocks['wall']), 'cpu_us' => summary($clocks['cpu'])];
            }
        }
        return $result;
    }

    // Of the clock's times, or of processor times where no network is waited for.
    public function ratio(string $what, string $above, string $below, string $clock = 'wall'): ?array
    {
        return ratio($this->times[$what][$above][$clock] ?? null, $this->times[$what][$below][$clock] ?? null);
    }
}

function section_cycle(bool $quick): array
{
    $stores = Stores::get();
    $peers = store_peers($stores);
    $bench = new CycleBench(array_map(peer_with_balancer_affinity(...), $peers), 'loopback', $quick ? 2 : 8);
    $bench->addBareSet($stores->nodes[0]);
    $bench->run($quick ? [4096] : PAYLOADS, $GLOBALS['smoke'] ? 2 : ($quick ? 5 : 15));
    $result = ['loopback' => $bench->summary()];
    cycle_targets_loopback($bench);

    $relay = new Relay($stores->ports());
    $round_trip = $relay->calibrate(ROUND_TRIP_US);
    $remote = array_filter(store_peers($stores, $relay->ports), fn(Peer $peer) => $peer->remote);
    $bench = new CycleBench(array_map(peer_with_balancer_affinity(...), $remote), 'slow', $quick ? 8 : 15);
    $bench->run($quick ? [4096] : PAYLOADS, $GLOBALS['smoke'] ? 2 : ($quick ? 3 : 9));
    $result['slow'] = $bench->summary();
    $result['round_trip_us'] = $round_trip;
    $relay->stop();
    cycle_targets_slow($bench);
    return $result;
}

function cycle_targets_loopback(CycleBench $bench): void
{
    foreach ([4096 => 0.45, 65536 => 0.85, 512000 => 0.97] as $bytes => $limit) {
        target("cycle/unchanged/$bytes", "unchanged cycle, $bytes bytes / files on /dev/shm",
            $bench->ratio("unchanged/$bytes", 'ours_1', 'files_shm', 'cpu'), $limit);
    }
    $times = $bench->times['changed/4096'];
    $least = array_map(fn($set, $cycle) => $set + $cycle, $times['bare_set']['wall'], $times['bare']['wall']);
    target('cycle/changed', 'changed cycle, 4096 bytes, 1 node / a bare libmemcached set and a cycle of the handler '
        . 'that does nothing', ratio($times['ours_1']['wall'], $least), 1.15);
    target('cycle/copies', 'changed cycle, 4096 bytes, 2 nodes / 1 node',
        $bench->ratio('changed/4096', 'ours_2', 'ours_1'), 1.3);
    cycle_large($bench, '');
}

// What no target is set for: large sessions that change.
function cycle_large(CycleBench $bench, string $where): void
{
    foreach ([65536, 512000] as $bytes) {
        no_target("cycle/changed/$bytes", "changed cycle, $bytes bytes$where: php-memcached's best / ours",
            $bench->ratio("changed/$bytes", 'memcached_best', 'ours_1'));
    }
}

function cycle_targets_slow(CycleBench $bench): void
{
    $limits = ['memcached' => 4.5, 'memcached_best' => 1.8, 'redis_best' => 1.8];
    foreach ($limits as $name => $limit) {
        target("cycle/slow/changed/$name", "changed cycle, 4096 bytes, 0.5 ms: $name / ours",
            $bench->ratio('changed/4096', $name, 'ours_1'), $limit, true);
    }
    foreach (['memcached', 'memcached_unlocked', 'memcached_best', 'redis_locked', 'redis', 'redis_best',
        'memcache'] as $name) {
        target("cycle/slow/unchanged/$name", "unchanged cycle, 4096 bytes, 0.5 ms: $name / ours",
            $bench->ratio('unchanged/4096', $name, 'ours_1'), 150, true);
    }
    target('cycle/slow/copies', 'changed cycle, 4096 bytes, 0.5 ms: 2 nodes / 1 node',
        $bench->ratio('changed/4096', 'ours_2', 'ours_1'), 1.3);
    cycle_large($bench, ', 0.5 ms');
}
