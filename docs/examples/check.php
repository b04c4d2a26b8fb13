<?php
// Health check of one web server's sessions, for monitoring: HTTP 200 and "ok", or HTTP 503 and a line per problem.
// Ask each web server itself, not the balancer. Keep the page from visitors: docs/deployment.md shows how.
//
// The page asks every node itself, so a node that failed a moment ago is seen at once. It writes no session and sends
// no cookie. While a node hangs, a check takes up to connect_timeout + operation_timeout longer.
declare(strict_types=1);

const PROBES_MAX = 20;  // sessions that are looked up until every node was asked

// Looks up a session that does not exist: this asks nodes, and keeps and writes nothing.
function probe(): ?string
{
    $problem = null;
    set_error_handler(function (int $severity, string $message) use (&$problem): bool {
        $problem ??= $message;
        return true;
    });
    session_id('check' . bin2hex(random_bytes(14)));
    session_start(['read_and_close' => true, 'use_cookies' => 0, 'use_strict_mode' => 0, 'cache_limiter' => '']);
    restore_error_handler();
    return $problem;
}

function problems(): array
{
    if (!function_exists('clustered_session_status')) {
        return ['clustered_session is not loaded: see extension = clustered_session.so in php.ini'];
    }
    if (ini_get('session.save_handler') !== 'clustered') {
        return ['session.save_handler is "' . ini_get('session.save_handler') . '", not "clustered"'];
    }
    $before = clustered_session_status();
    if ($before['mode'] !== 'cluster') {
        return ["mode is $before[mode]: " . ($before['error'] ?? 'session.save_path is empty')];
    }
    // The first probe finds out; the others show whom this worker goes on asking. A node that refuses it is left alone.
    $problems = [probe()];
    $found = clustered_session_status();
    $asked = [];
    for ($i = 0; $i < PROBES_MAX && count($asked) < count($found['nodes']); $i++) {
        $problems[0] ??= probe();
        $status = clustered_session_status();
        foreach ($status['nodes'] as $name => $node) {
            if ($node['operations'] > $found['nodes'][$name]['operations'] || in_array($node['state'], ['down', 'full'])) {
                $asked[$name] = true;
            }
        }
    }
    foreach ($status['nodes'] as $name => $node) {
        $failures = $node['failures'] - $before['nodes'][$name]['failures'];
        if ($node['state'] === 'down' || $node['state'] === 'full') {
            $problems[] = "node $name ($node[address]) is $node[state]";
        } elseif ($failures > 0) {
            $problems[] = "node $name ($node[address]) failed just now";
        } elseif (!isset($asked[$name])) {
            $problems[] = "node $name ($node[address]) was not asked: PHP's log says why";
        }
    }
    if ($status['alone']) {
        $problems[] = "no node can be asked for $status[alone_for_ms] ms: changes stay on this server";
    }
    return array_values(array_filter($problems));
}

$problems = problems();
http_response_code($problems === [] ? 200 : 503);
header('Content-Type: text/plain');
header('Cache-Control: no-store');
echo implode("\n", $problems ?: ['ok']), "\n";
