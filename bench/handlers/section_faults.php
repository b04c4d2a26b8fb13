<?php
// Nodes that hang and die under load: three nodes, two copies of each session, every request changes one. A hung node
// must not be felt after the first retry interval; with no node at all sessions of this server go on, and what they
// changed meanwhile must be on the nodes when those are back, without any further request.
declare(strict_types=1);

const FAULT_SESSIONS = 64;

final class FaultSite
{
    /** @var Process[] */
    public array $nodes = [];
    private array $ports = [];
    public Fpm $fpm;
    public readonly Nginx $nginx;
    public array $sessions;
    private int $acknowledged = 0;
    private int $lives = 0;

    public function __construct()
    {
        foreach ([1, 2, 3] as $number) {
            $this->ports[$number] = free_port();
        }
        $this->startNodes();
        $this->startFpm();
        $this->nginx = new Nginx('faults', ['site' => [$this->fpm->socket]]);
        $this->sessions = new_sessions($this->url(), FAULT_SESSIONS, 4000);
        $this->load(1);
    }

    public function startNodes(): void
    {
        foreach ($this->ports as $number => $port) {
            $this->nodes[$number] = start_memcached("fault_node_$number", $port);
        }
    }

    // A new instance, which knows nothing.
    public function startFpm(): void
    {
        $nodes = array_map(fn($number, $port) => "m$number=127.0.0.1:$port", array_keys($this->ports), $this->ports);
        $this->fpm = new Fpm('faults', new Peer('faults', '', [$GLOBALS['extension']], [
            'session.save_handler' => 'clustered', 'session.save_path' => implode(',', $nodes),
            'clustered_session.server_id' => 'bench' . ++$this->lives, 'clustered_session.copies' => 2]), 4);
    }

    public function url(string $page = 'page'): string
    {
        return $this->nginx->url('site', $page);
    }

    public function load(float $seconds, bool $change = true): array
    {
        static $number = 0;
        $cookies = array_map(fn(array $session) => implode('; ',
            array_map(fn($name, $value) => "$name=$value", array_keys($session), $session)), $this->sessions);
        $order = ['port' => $this->nginx->port, 'path' => '/site/page' . ($change ? '?change' : ''), 'cookies' => $cookies,
            'seconds' => $seconds, 'connections' => 4];
        $client = new Process('load_' . ++$number, ['php', '-n', __DIR__ . '/load_client.php', json_encode($order)],
            other_cpu());
        $load = $client->lastJson();
        $client->stop();
        $this->acknowledged += $change ? $load['requests'] - $load['failed'] : 0;
        return $load + ['per_second' => $load['requests'] * 1e6 / $load['us']];
    }

    public function status(): array
    {
        return json_decode(ask($this->url('status'))['body'], true);
    }

    // Changes of each session, as this site answers now; and how many that were acknowledged are not among them.
    public function changes(): array
    {
        $changes = [];
        foreach ($this->sessions as $cookies) {
            $answer = ask($this->url(), $cookies);
            $changes[] = $answer['status'] === 200 ? (int) $answer['body'] : -1;
        }
        return $changes;
    }

    public function lost(array $changes): int
    {
        return max(0, $this->acknowledged - array_sum($changes));
    }

    public function stop(): void
    {
        $this->nginx->stop();
        $this->fpm->process->stop(SIGKILL);
        array_map(fn(Process $node) => $node->stop(SIGKILL), $this->nodes);
    }
}

function section_faults(bool $quick): array
{
    $site = new FaultSite();
    $result = ['hang' => faults_hang($site, $quick), 'outage' => faults_outage($site, $quick)];
    $site->stop();
    return $result;
}

// Healthy and hung in turns, so that each hung time has its own healthy one beside it.
function faults_hang(FaultSite $site, bool $quick): array
{
    $figures = [];
    $failed = 0;
    for ($round = 0; $round < ($quick ? 1 : 4); ++$round) {
        progress('a node hangs: round ' . $round + 1);
        $healthy = $site->load($quick ? 2 : 4);
        $site->nodes[2]->signal(SIGSTOP);
        $first = $site->load(2);  // the first retry interval
        $hung = $site->load($quick ? 2 : 4);
        $site->nodes[2]->signal(SIGCONT);
        $failed += $first['failed'] + $hung['failed'];
        foreach (['healthy' => $healthy, 'first_interval' => $first, 'hung' => $hung] as $when => $load) {
            $figures[$when]['p99_ms'][] = $load['p99'] / 1000;
            $figures[$when]['max_ms'][] = $load['max'] / 1000;
            $figures[$when]['over_100_ms'][] = $load['over_100_ms'];
            $figures[$when]['per_second'][] = $load['per_second'];
        }
        // Until it is asked again.
        await(function () use ($site) {
            $site->load(1);
            return $site->status()['nodes']['m2']['state'] === 'up';
        }, 'the node');
    }
    target('one of three nodes hangs: p99 after the first retry interval / healthy',
        ratio($figures['hung']['p99_ms'], $figures['healthy']['p99_ms']), 1.5);
    target('one of three nodes hangs: failed requests', summary([$failed]), 0);
    return array_map(fn(array $when) => array_map('summary', $when), $figures) + ['failed' => $failed];
}

function faults_outage(FaultSite $site, bool $quick): array
{
    $figures = ['healthy' => [], 'outage' => []];
    $failed = 0;
    $back_ms = [];
    $rounds = $quick ? 1 : 5;
    for ($round = 0; $round < $rounds; ++$round) {
        progress('all nodes die: round ' . $round + 1);
        $figures['healthy']['unchanged'][] = $site->load($quick ? 1 : 2, false)['per_second'];
        $figures['healthy']['changed'][] = $site->load($quick ? 1 : 2)['per_second'];
        array_map(fn(Process $node) => $node->kill(), $site->nodes);
        $figures['outage']['unchanged'][] = ($unchanged = $site->load($quick ? 1 : 2, false))['per_second'];
        $figures['outage']['changed'][] = ($changed = $site->load($quick ? 1 : 2))['per_second'];
        $failed += $unchanged['failed'] + $changed['failed'];
        $pending = $site->status()['memory']['unreplicated'];
        $site->startNodes();
        $start = hrtime(true);
        await(fn() => $site->status()['memory']['unreplicated'] === 0, 'the nodes to be told', 30);
        $back_ms[] = (hrtime(true) - $start) / 1e6;
    }
    $here = $site->changes();
    // Another server: all it knows is on the nodes.
    $site->fpm->process->kill();
    $site->startFpm();
    $there = $site->changes();
    $lost = $site->lost($here) + array_sum(array_map(fn($a, $b) => max(0, $a - $b), $here, $there));
    foreach (['unchanged', 'changed'] as $mode) {
        target("all nodes dead: requests/s of local sessions, $mode / healthy",
            ratio($figures['outage'][$mode], $figures['healthy'][$mode]), 0.9, true);
    }
    target('all nodes dead: failed requests', summary([$failed]), 0);
    target('all nodes dead and back: acknowledged changes lost', summary([$lost]), 0);
    return array_map(fn(array $when) => array_map('summary', $when), $figures) + ['failed' => $failed, 'lost' => $lost,
        'unreplicated' => $pending, 'told_after_ms' => summary($back_ms)];
}
