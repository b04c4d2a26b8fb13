<?php
// How often a session cycle waits for the network, counted by a relay between PHP and the stores. Of stores that are
// asked at once the slower one counts.
declare(strict_types=1);

const WAIT_CYCLES = 10;

function section_waits(bool $quick): array
{
    $stores = Stores::get();
    $relay = new Relay([$stores->nodes[0], $stores->nodes[1], $stores->redis]);
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
    target('network waits, unchanged', summary([$result['unchanged']['ours_2']]), 0);
    target('network waits, changed, 2 copies', summary([$result['changed']['ours_2']]), 1);
    return $result;
}
