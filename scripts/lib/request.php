<?php
// Sends one request to the shop of php_tests/app and prints the reply as shell assignments (reply_http='200', ...).
// Called by scripts/lib/client.sh:  php request.php <cookie jar file> <url> [field=value]...
declare(strict_types=1);

require __DIR__ . '/http_client.php';

[, $jar, $url] = $argv;
$fields = null;
foreach (array_slice($argv, 3) as $field) {
    [$name, $value] = explode('=', $field, 2) + [1 => ''];
    $fields[$name] = $value;
}

$client = new HttpClient(json_decode((string) @file_get_contents($jar), true) ?? []);
$reply = $client->request($url, $fields);
file_put_contents($jar, json_encode((object) $client->cookies));

$cart = [];
foreach ($reply['cart'] ?? [] as $item => $count) {
    $cart[] = "$item x$count";
}
$waits = $reply['waits'] ?? null;
$nodes = $reply['status']['nodes'] ?? [];
$lines = [
    'http' => $reply['http'],
    'error' => $reply['error'],
    'user' => $reply['user'] ?? '',
    'cart' => implode(', ', $cart),
    'server' => $reply['server_id'] ?? '',
    'pid' => $reply['pid'] ?? '',
    'session' => $reply['session_id'] ?? '',
    'node' => array_combine(array_column($nodes, 'code'), array_keys($nodes))[substr($reply['session_id'] ?? '', -4)] ?? '',
    'waits' => $waits ?? '',
    'nodes' => implode(' ', array_map(fn ($name, $node) => "$name={$node['state']}", array_keys($nodes), $nodes)),
    'ms' => sprintf('%.1f', $reply['ms']),
    'affinity' => $client->cookies['PHPSESSID_AT'] ?? '',
];
foreach ($lines as $name => $value) {
    // One line each, nothing but printable characters: the caller evaluates and prints them.
    $value = preg_replace('/[^\x20-\x7e]/', '?', (string) $value);
    echo "reply_$name=", escapeshellarg($value), "\n";
}
