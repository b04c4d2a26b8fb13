<?php
// The stores of one run, started when first needed, and the link to them. Used by the sections.
declare(strict_types=1);

final class Stores
{
    /** @var int[] */
    public array $nodes = [];  // ports of memcached
    public int $redis = 0;  // 0: none is used
    public string $disk;    // folders of the files handler
    public string $memory;
    private static ?Stores $one = null;

    private function __construct()
    {
        foreach ([1, 2] as $number) {
            $this->nodes[] = $port = free_port();
            start_memcached("node_$number", $port);
        }
        if (!$GLOBALS['smoke']) {
            start_redis('redis', $this->redis = free_port());
        }
        $this->disk = "$GLOBALS[folder]/sessions";
        $this->memory = $GLOBALS['memory_folder'];
        @mkdir($this->disk);
        chmod($this->disk, 01777);
    }

    public static function get(): Stores
    {
        return self::$one ??= new Stores();
    }

    /** @return int[] */
    public function ports(): array
    {
        return array_filter([...$this->nodes, $this->redis]);
    }
}

/** @return array<string, Peer> */
function store_peers(Stores $stores, ?array $ports = null): array
{
    $ports ??= $stores->ports();
    return array_filter(peers([$ports[0], $ports[1]], $ports[2] ?? 0, $stores->disk, $stores->memory),
        fn(Peer $peer) => !$GLOBALS['smoke'] || !$peer->isForeign());
}

final class Relay
{
    private Process $process;
    /** @var int[] */
    public array $ports;

    /** @param int[] $ports */
    public function __construct(array $targets)
    {
        static $number = 0;
        $this->process = new Process('relay_' . ++$number,
            ['php', '-n', __DIR__ . '/relay.php', ...array_map('strval', array_values($targets))], other_cpu());
        $this->ports = $this->process->answer();
    }

    // Makes a round trip take that long, as one process sees it; returns what it takes now. The first target answers
    // $request with a line.
    public function calibrate(int $round_trip_us, string $request = "mn\r\n"): float
    {
        $delay = $round_trip_us;
        for ($try = 0; $try < 4; ++$try) {
            $this->process->ask(['delay' => $delay]);
            $seen = $this->ping($request);
            $delay = max(1, $delay + $round_trip_us - $seen);
        }
        return round($seen, 1);
    }

    private function ping(string $request): float
    {
        $socket = stream_socket_client("tcp://127.0.0.1:{$this->ports[0]}");
        $times = [];
        for ($i = 0; $i < 60; ++$i) {
            $start = hrtime(true);
            fwrite($socket, $request);
            fgets($socket);
            $times[] = (hrtime(true) - $start) / 1000;
        }
        return median(array_slice($times, 5));
    }

    // How often somebody waited for the network so far, per target; opening a connection is a wait, too.
    public function waits(): array
    {
        return array_values(array_map('array_sum', $this->process->ask(['counts' => true])));
    }

    public function stop(): void
    {
        $this->process->stop();
    }
}
