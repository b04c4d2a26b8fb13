<?php
// Asks one URL on several connections at once, one request after the other on each, from session to session. It keeps
// every request's time as it was: wrk adds requests that it would have sent had the server not been slow, which turns
// one slow request into hundreds. $argv[1]: {"port", "path", "cookies", "seconds", "connections"}; prints a JSON line.
// Started by section_faults.php.
declare(strict_types=1);

$order = json_decode($argv[1], true);
$texts = array_map(fn(string $cookies) => "GET $order[path] HTTP/1.1\r\nHost: localhost\r\nCookie: $cookies\r\n\r\n",
    $order['cookies']);
$sockets = $sent = $received = $times = [];
$next = $failed = 0;

function send(int $number): void
{
    global $sockets, $sent, $received, $texts, $next, $order;
    $sockets[$number] ??= stream_socket_client("tcp://127.0.0.1:$order[port]");
    stream_set_blocking($sockets[$number], false);
    stream_set_read_buffer($sockets[$number], 0);
    $received[$number] = '';
    $sent[$number] = hrtime(true);
    fwrite($sockets[$number], $texts[$next++ % count($texts)]);
}

// An answer is whole when its body is: nginx sends it in pieces and without a length.
function is_whole(string $text): bool
{
    return str_ends_with($text, "\r\n0\r\n\r\n")
        || (preg_match('/\r\nContent-Length: (\d+)\r\n/i', $text, $found)
            && strlen($text) >= strpos($text, "\r\n\r\n") + 4 + (int) $found[1]);
}

$start = hrtime(true);
$end = $start + (int) ($order['seconds'] * 1e9);
for ($number = 0; $number < $order['connections']; ++$number) {
    send($number);
}
while ($sockets) {
    $readable = $sockets;
    $none = null;
    if (!stream_select($readable, $none, $none, 10)) {
        $failed += count($sockets);
        break;
    }
    foreach ($readable as $number => $socket) {
        $bytes = fread($socket, 65536);
        $received[$number] .= $bytes;
        $closed = $bytes === '' && feof($socket);
        if (!$closed && !is_whole($received[$number])) {
            continue;
        }
        $now = hrtime(true);
        $times[] = $now - $sent[$number];
        $failed += str_starts_with($received[$number], 'HTTP/1.1 200 ') ? 0 : 1;
        if ($closed || $now >= $end) {
            fclose($socket);
            unset($sockets[$number]);
        }
        if ($now < $end) {
            send($number);
        }
    }
}
$us = (hrtime(true) - $start) / 1000;
sort($times);
$at = fn(float $share) => $times[(int) ($share * (count($times) - 1))] / 1000;
echo json_encode(['requests' => count($times), 'failed' => $failed, 'us' => $us, 'p50' => $at(0.5), 'p99' => $at(0.99),
    'max' => $at(1), 'over_100_ms' => count(array_filter($times, fn($time) => $time > 1e8))]), "\n";
