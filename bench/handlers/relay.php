<?php
// A slow and counting link: relays TCP connections to the ports of $argv, half of the round trip later each way. A new
// connection's first bytes wait for a round trip more, which is what connecting takes. It delays and does not limit:
// what comes meanwhile is on its way as well. On standard input, a JSON line each: {"delay": microseconds of the round
// trip} and {"counts": true}; what a client sends without waiting for an answer is one turn. Started by the sections.
declare(strict_types=1);

const NEARLY_NS = 90_000;  // a sleep may last longer by that; the rest is waited for without sleeping

$servers = $ports = [];
foreach (array_slice($argv, 1) as $port) {
    $context = stream_context_create(['socket' => ['tcp_nodelay' => true, 'backlog' => 256]]);
    $servers[$port] = stream_socket_server('tcp://127.0.0.1:0', context: $context);
    $ports[] = (int) substr(strrchr(stream_socket_get_name($servers[$port], false), ':'), 1);
}
fwrite(STDOUT, json_encode($ports) . "\n");

$peer = $is_client = $fresh = $spoke = $sockets = $last = $goes_to = [];
$counts = array_fill_keys(array_keys($servers), ['connects' => 0, 'turns' => 0]);
$half_ns = 0;
$queue = new SplPriorityQueue();  // [number, socket, bytes or null to close], earliest first
$queue->setExtractFlags(SplPriorityQueue::EXTR_BOTH);

function later(int $due, $socket, ?string $bytes): void
{
    global $queue, $last;
    static $number = 0;
    // Never before what was sent on this connection before.
    $due = $last[(int) $socket] = max($due, ($last[(int) $socket] ?? 0) + 1);
    $queue->insert([$socket, $bytes], [-$due, -++$number]);
}

function deliver(): void
{
    global $queue, $sockets, $peer, $last;
    while (!$queue->isEmpty() && -$queue->top()['priority'][0] <= hrtime(true)) {
        [$socket, $bytes] = $queue->extract()['data'];
        if (!isset($sockets[(int) $socket])) {
            continue;
        }
        if ($bytes !== null) {
            @fwrite($socket, $bytes);
            continue;
        }
        unset($sockets[(int) $socket], $peer[(int) $socket], $last[(int) $socket]);
        fclose($socket);
    }
}

while (true) {
    deliver();
    $wait_us = null;
    if (!$queue->isEmpty()) {
        $left_ns = -$queue->top()['priority'][0] - hrtime(true);
        $wait_us = $left_ns > NEARLY_NS ? intdiv($left_ns - NEARLY_NS, 1000) : 0;
    }
    $readable = [STDIN, ...array_values($servers), ...array_values($sockets)];
    $none = null;
    if (!stream_select($readable, $none, $none, $wait_us === null ? null : 0, $wait_us)) {
        continue;
    }
    $now = hrtime(true);
    foreach ($readable as $socket) {
        if ($socket === STDIN) {
            if (($line = fgets(STDIN)) === false) {
                exit;
            }
            $order = json_decode($line, true);
            $half_ns = isset($order['delay']) ? (int) ($order['delay'] * 500) : $half_ns;
            fwrite(STDOUT, json_encode($counts) . "\n");
        } elseif (($port = array_search($socket, $servers, true)) !== false) {
            $client = stream_socket_accept($socket);
            $node = @stream_socket_client("tcp://127.0.0.1:$port", context: stream_context_create(
                ['socket' => ['tcp_nodelay' => true]]));
            if ($node === false) {  // it is dead
                fclose($client);
                continue;
            }
            foreach ([$client, $node] as $end) {
                stream_set_read_buffer($end, 0);
                stream_set_write_buffer($end, 0);
                $sockets[(int) $end] = $end;
            }
            $peer[(int) $client] = $node;
            $peer[(int) $node] = $client;
            $is_client[(int) $client] = $fresh[(int) $client] = true;
            $spoke[(int) $client] = false;
            $is_client[(int) $node] = false;
            $goes_to[(int) $client] = $port;
            ++$counts[$port]['connects'];
        } elseif (isset($sockets[(int) $socket], $peer[(int) $socket])) {
            $bytes = fread($socket, 262144);
            $other = $peer[(int) $socket];
            if ($bytes === '' || $bytes === false) {
                later($now + $half_ns, $other, null);
                unset($sockets[(int) $socket], $peer[(int) $socket], $peer[(int) $other]);
                fclose($socket);
                continue;
            }
            $connecting_ns = 0;
            if ($is_client[(int) $socket]) {
                $counts[$goes_to[(int) $socket]]['turns'] += $spoke[(int) $socket] ? 0 : 1;
                $spoke[(int) $socket] = true;
                $connecting_ns = $fresh[(int) $socket] ? 2 * $half_ns : 0;
                $fresh[(int) $socket] = false;
            } else {
                $spoke[(int) $other] = false;
            }
            later($now + $half_ns + $connecting_ns, $other, $bytes);
        }
    }
}
