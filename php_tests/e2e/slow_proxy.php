<?php
// Relays connections to a port and holds each answer back for a while. Called by run_isolation:
//   php slow_proxy.php <port to listen on> <port of the node> <milliseconds>
declare(strict_types=1);

[, $port, $node_port, $delay_ms] = $argv;
$listener = stream_socket_server("tcp://127.0.0.1:$port") or exit(1);
$nodes = $clients = [];  // by the number of the client's socket
$late = [];              // [when, number of the client, bytes], in the order in which they are due
while (true) {
    $readable = [$listener, ...array_values($nodes), ...array_values($clients)];
    $none = null;
    $wait_us = $late === [] ? 1_000_000 : max(0, intdiv($late[0][0] - hrtime(true), 1000));
    stream_select($readable, $none, $none, 0, $wait_us);
    while ($late !== [] && $late[0][0] <= hrtime(true)) {
        [, $number, $bytes] = array_shift($late);
        if (isset($clients[$number])) {
            @fwrite($clients[$number], $bytes);
        }
    }
    foreach ($readable as $socket) {
        if ($socket === $listener) {
            $client = stream_socket_accept($listener);
            $clients[(int) $client] = $client;
            $nodes[(int) $client] = stream_socket_client("tcp://127.0.0.1:$node_port");
            continue;
        }
        $number = isset($clients[(int) $socket]) ? (int) $socket : array_search($socket, $nodes, true);
        if ($number === false) {
            continue;
        }
        $bytes = fread($socket, 65536);
        if ($bytes === '' || $bytes === false) {
            fclose($clients[$number]);
            fclose($nodes[$number]);
            unset($clients[$number], $nodes[$number]);
        } elseif ($socket === $nodes[$number]) {
            $late[] = [hrtime(true) + (int) $delay_ms * 1_000_000, $number, $bytes];
        } else {
            fwrite($nodes[$number], $bytes);
        }
    }
}
