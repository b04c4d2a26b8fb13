<?php
// One site of three nodes whose nodes fail: php-fpm with one handler, nginx, and sessions whose acknowledged changes
// are counted. Used by section_faults.php.
declare(strict_types=1);

const FAULT_NODES = [1, 2, 3];
const FAULT_WORKERS = 8;
const FAULT_SESSIONS = 256;
const FAULT_RATE = 500;  // per second; each session is asked for twice a second
const FAULT_CONNECTIONS = 128;

// The handlers with three nodes. What each can do against a node's failure by its settings, its best ones do: other
// nodes' copies, timeouts as short as ours.
/** @return array<string, Peer> */
function fault_peers(array $ports, string $server_id): array
{
    $each = fn(callable $text) => implode(',', array_map($text, $ports));
    $plain = $each(fn(int $port) => "127.0.0.1:$port");
    $tcp = $each(fn(int $port) => "tcp://127.0.0.1:$port");
    $memcached = fn(array $more) => ['session.save_handler' => 'memcached', 'session.save_path' => $plain] + $more;
    $redis = fn(string $path, array $more = []) =>
        ['session.save_handler' => 'redis', 'session.save_path' => $path] + $more;
    $labels = array_map(fn(Peer $peer) => $peer->label, peers([0, 0], 0, '', ''));
    $settings = [
        'memcached' => $memcached([]),
        'memcached_unlocked' => $memcached(['memcached.sess_locking' => 0]),
        'memcached_best' => $memcached(['memcached.sess_locking' => 0, 'memcached.sess_persistent' => 1,
            'memcached.sess_number_of_replicas' => 1, 'memcached.sess_remove_failed_servers' => 1,
            'memcached.sess_connect_timeout' => 100]),
        'redis_locked' => $redis($tcp, ['redis.session.locking_enabled' => 1]),
        'redis' => $redis($tcp),
        'redis_best' => $redis(
            $each(fn(int $port) => "tcp://127.0.0.1:$port?persistent=1&timeout=0.1&read_timeout=0.25"),
            ['redis.pconnect.echo_check_liveness' => 0]),
        'memcache' => ['session.save_handler' => 'memcache', 'session.save_path' => $tcp],
        'ours_2' => ['session.save_handler' => 'clustered', 'clustered_session.server_id' => $server_id,
            'session.save_path' => implode(',',
                array_map(fn($number, $port) => "m$number=127.0.0.1:$port", FAULT_NODES, $ports)),
            'clustered_session.copies' => 2, 'clustered_session.retry_interval' => $GLOBALS['smoke'] ? '300ms' : '2s'],
    ];
    $extensions = ['memcache' => ['memcache'], 'ours_2' => [$GLOBALS['extension']]]
        + array_fill_keys(['redis_locked', 'redis', 'redis_best'], ['igbinary', 'redis'])
        + array_fill_keys(['memcached', 'memcached_unlocked', 'memcached_best'], ['igbinary', 'msgpack', 'memcached']);
    $peers = [];
    foreach ($settings as $name => $its) {
        $peers[$name] = new Peer($name, $labels[$name], $extensions[$name], $its, $name === 'ours_2');
    }
    return $peers;
}

final class FaultSite
{
    /** @var Process[] */
    public array $nodes = [];
    private array $ports = [];
    private ?Relay $relay = null;
    private Fpm $fpm;
    private Nginx $nginx;
    private array $sessions;
    private array $acknowledged;  // changes, per session
    private static int $lives = 0;

    public function __construct(private string $handler, bool $slow = false)
    {
        foreach (FAULT_NODES as $number) {
            $this->ports[$number] = free_port();
        }
        $this->startNodes();
        if ($slow) {
            $this->relay = new Relay($this->ports);
            $this->relay->calibrate(500, str_starts_with($handler, 'redis') ? "PING\r\n" : "mn\r\n");
        }
        $this->startFpm();
        $this->nginx = new Nginx("faults_$handler" . ++self::$lives, ['site' => [$this->fpm->socket]]);
        $this->newSessions();
    }

    public function newSessions(): void
    {
        $this->sessions = new_sessions($this->url('page'), FAULT_SESSIONS, 4000);
        $this->acknowledged = array_fill(0, FAULT_SESSIONS, 0);
        $this->paced(0.5);
    }

    public function startNodes(): void
    {
        foreach ($this->ports as $number => $port) {
            $name = "fault_{$this->handler}_$number";
            $this->nodes[$number] = str_starts_with($this->handler, 'redis') ? start_redis($name, $port)
                : start_memcached($name, $port);
        }
    }

    public function killNodes(): void
    {
        array_map(fn(Process $node) => $node->kill(), $this->nodes);
    }

    private function startFpm(): void
    {
        $peers = fault_peers(array_values($this->relay?->ports ?? $this->ports), 'bench' . ++self::$lives);
        $this->fpm = new Fpm("faults_$this->handler" . ($this->relay === null ? '' : '_slow'), $peers[$this->handler],
            FAULT_WORKERS);
    }

    // A new instance, which knows nothing: all it has is on the nodes.
    public function restartFpm(): void
    {
        $this->fpm->process->kill();
        $this->startFpm();
    }

    private function url(string $page): string
    {
        return $this->nginx->url('site', $page);
    }

    // Changes, at FAULT_RATE.
    public function paced(float $seconds): array
    {
        return $this->count(load($this->url('change') . '?change', $this->sessions, $seconds, FAULT_RATE,
            FAULT_CONNECTIONS));
    }

    // As many requests as four connections can ask for.
    public function busy(float $seconds, bool $change): array
    {
        return $this->count(load($this->url('change') . ($change ? '?change' : ''), $this->sessions, $seconds),
            $change);
    }

    private function count(array $load, bool $change = true): array
    {
        if ($change) {
            $this->acknowledged = array_map(fn($sum, $more) => $sum + $more, $this->acknowledged,
                $load['acknowledged']);
        }
        return $load;
    }

    public function isOurs(): bool
    {
        return $this->handler === 'ours_2';
    }

    public function status(): array
    {
        return json_decode(ask($this->url('status'))['body'], true);
    }

    public function acknowledged(): int
    {
        return array_sum($this->acknowledged);
    }

    // Acknowledged changes that are not there when each session is asked for now.
    public function lost(): int
    {
        $lost = 0;
        foreach (array_chunk($this->sessions, 4, true) as $sessions) {
            $requests = array_map(fn(array $cookies) => [$this->url('change'), $cookies], $sessions);
            foreach (ask_at_once($requests, 5) as $number => $answer) {
                $lost += max(0, $this->acknowledged[$number] - ($answer['status'] === 200 ? (int) $answer['body'] : 0));
            }
        }
        return $lost;
    }

    public function stop(): void
    {
        $this->nginx->stop();
        $this->fpm->process->stop(SIGKILL);
        $this->relay?->stop();
        array_map(fn(Process $node) => $node->stop(SIGKILL), $this->nodes);
    }
}
