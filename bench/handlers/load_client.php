<?php
// Asks one URL, from session to session, and keeps every request's time as it was: wrk adds requests that it would have
// sent had the server not been slow, which turns one slow request into hundreds. $argv[1]: {"port", "path", "cookies",
// "seconds", "connections", "rate"}. With a rate, so many requests per second are due, on as many of the connections as
// it takes; a request that has to wait for one is timed from when it was due. Without one (0), each connection asks one
// request after the other. Nobody waits longer than LIMIT_NS: such a request has failed. Prints a JSON line. Started by
// load.php.
declare(strict_types=1);

const LIMIT_NS = 2_000_000_000;
const LATE_NS = 1_000_000;   // from here on a request was due before it was sent
const NEARLY_NS = 90_000;    // a sleep may last longer by that; the rest is waited for without sleeping

final class Client
{
    private array $texts;
    private array $sockets = [];   // number => connection
    private array $asked = [];     // number of a connection that waits for an answer => [since, session]
    private array $received = [];
    private int $sent = 0;
    private int $start;
    private int $end;
    public array $times = [];
    public int $failed = 0;
    public array $acknowledged;    // per session

    public function __construct(private array $order)
    {
        $this->texts = array_map(fn(string $cookies) =>
            "GET $order[path] HTTP/1.1\r\nHost: localhost\r\nCookie: $cookies\r\n\r\n", $order['cookies']);
        $this->acknowledged = array_fill(0, count($this->texts), 0);
    }

    // Returns how long it took, in nanoseconds.
    public function run(): int
    {
        $this->start = hrtime(true);
        $this->end = $this->start + (int) ($this->order['seconds'] * 1e9);
        while (true) {
            while (($due = $this->due()) <= ($now = hrtime(true)) && $due < $this->end && $this->send($due, $now)) {
            }
            if ($this->asked === [] && $this->due() >= $this->end) {
                return hrtime(true) - $this->start;
            }
            $this->receive();
            $this->giveUp();
        }
    }

    // When the next request is to be sent.
    private function due(): int
    {
        return $this->order['rate'] > 0 ? $this->start + (int) ($this->sent * 1e9 / $this->order['rate'])
            : hrtime(true);
    }

    // False if no connection is free.
    private function send(int $due, int $now): bool
    {
        if ($now - $due > LIMIT_NS) {
            $this->done(LIMIT_NS, false, $this->sent++ % count($this->texts));
            return true;
        }
        for ($number = 0; isset($this->asked[$number]); ++$number) {
        }
        if ($number >= $this->order['connections']) {
            return false;
        }
        if (!isset($this->sockets[$number])) {
            $this->sockets[$number] = stream_socket_client("tcp://127.0.0.1:{$this->order['port']}");
            stream_set_blocking($this->sockets[$number], false);
            stream_set_read_buffer($this->sockets[$number], 0);
        }
        $session = $this->sent++ % count($this->texts);
        $this->received[$number] = '';
        $this->asked[$number] = [$now - $due > LATE_NS ? $due : hrtime(true), $session];
        fwrite($this->sockets[$number], $this->texts[$session]);
        return true;
    }

    private function receive(): void
    {
        $wait_ns = 10_000_000;
        $due = $this->due();
        if ($due < $this->end && count($this->asked) < $this->order['connections']) {
            $wait_ns = max(0, min($wait_ns, $due - hrtime(true) - NEARLY_NS));
        }
        $readable = array_intersect_key($this->sockets, $this->asked);
        $none = null;
        if ($readable === []) {
            usleep(intdiv($wait_ns, 1000));
            return;
        }
        if (!stream_select($readable, $none, $none, 0, intdiv($wait_ns, 1000))) {
            return;
        }
        foreach ($readable as $number => $socket) {
            $bytes = (string) fread($socket, 65536);
            $text = $this->received[$number] .= $bytes;
            $closed = $bytes === '' && feof($socket);
            if ($closed || self::isWhole($text)) {
                [$since, $session] = $this->asked[$number];
                $this->done(hrtime(true) - $since, str_starts_with($text, 'HTTP/1.1 200 ') && !$closed, $session);
                $this->free($number, $closed);
            }
        }
    }

    private function giveUp(): void
    {
        $now = hrtime(true);
        foreach ($this->asked as $number => [$since, $session]) {
            if ($now - $since > LIMIT_NS) {
                $this->done(LIMIT_NS, false, $session);
                $this->free($number, true);
            }
        }
    }

    private function free(int $number, bool $close): void
    {
        unset($this->asked[$number]);
        if ($close) {
            fclose($this->sockets[$number]);
            unset($this->sockets[$number]);
        }
    }

    private function done(int $ns, bool $well, int $session): void
    {
        $this->times[] = $ns;
        $this->failed += $well ? 0 : 1;
        $this->acknowledged[$session] += $well ? 1 : 0;
    }

    // An answer is whole when its body is: nginx sends it in pieces and without a length.
    private static function isWhole(string $text): bool
    {
        return str_ends_with($text, "\r\n0\r\n\r\n")
            || (preg_match('/\r\nContent-Length: (\d+)\r\n/i', $text, $found)
                && strlen($text) >= strpos($text, "\r\n\r\n") + 4 + (int) $found[1]);
    }
}

$client = new Client(json_decode($argv[1], true));
$us = $client->run() / 1000;
$times = $client->times;
sort($times);
$at = fn(float $share) => $times[(int) ($share * (count($times) - 1))] / 1000;
echo json_encode(['requests' => count($times), 'failed' => $client->failed, 'us' => $us, 'p50' => $at(0.5),
    'p99' => $at(0.99), 'max' => $at(1), 'over_100_ms' => count(array_filter($times, fn($time) => $time > 1e8)),
    'acknowledged' => $client->acknowledged]), "\n";
