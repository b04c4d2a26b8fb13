<?php
// Many visitors of the shop, whose cookies and carts are kept in a file between calls. Prints shell assignments.
//   php many_sessions.php <file> login <count> <url>   log in that many visitors and fill their carts
//   php many_sessions.php <file> add <item> <url>      one more item for each; expected from then on if it was answered
//   php many_sessions.php <file> logout <url>          every visitor logs out
//   php many_sessions.php <file> view <url>            every visitor looks at the cart
declare(strict_types=1);

require __DIR__ . '/../../scripts/lib/http_client.php';

const ITEMS = ['tea', 'lamp', 'atlas', 'chair'];

/** @return list<array{cookies: array<string, string>, user: string, cart: array<string, int>}> */
function load(string $file): array
{
    return json_decode(file_get_contents($file), true);
}

function log_in(int $count, string $url): array
{
    $visitors = [];
    for ($i = 0; $i < $count; $i++) {
        $client = new HttpClient();
        $user = "visitor $i";
        $client->request($url, ['action' => 'login', 'user' => $user]);
        $item = ITEMS[$i % count(ITEMS)];
        $reply = $client->request($url, ['action' => 'add', 'item' => $item]);
        $visitors[] = ['cookies' => $client->cookies, 'user' => $user, 'cart' => [$item => 1]];
        tally($visitors[$i], $reply);
    }
    return $visitors;
}

function tally(array $visitor, array $reply): void
{
    global $counts, $servers, $first_error;
    $server = $reply['server_id'] ?? 'nobody';
    $servers[$server] = ($servers[$server] ?? 0) + 1;
    if ($reply['error'] !== '') {
        $counts['failed']++;
        $first_error = $first_error ?: $reply['error'];
    } elseif ($reply['user'] !== $visitor['user']) {
        $counts[$reply['user'] === null ? 'logged_out' : 'foreign']++;
    } else {
        $counts['logged_in']++;
        $counts['whole'] += $reply['cart'] == $visitor['cart'] ? 1 : 0;
    }
    $counts['waits'] += $reply['waits'] ?? 0;
    $counts['longest_ms'] = max($counts['longest_ms'], (int) $reply['ms']);
}

[, $file, $what] = $argv;
$url = end($argv);
$counts = ['logged_in' => 0, 'whole' => 0, 'logged_out' => 0, 'foreign' => 0, 'failed' => 0, 'waits' => 0,
    'longest_ms' => 0];
$servers = [];
$first_error = '';

$visitors = $what === 'login' ? log_in((int) $argv[3], $url) : load($file);
foreach ($what === 'login' ? [] : $visitors as $i => $visitor) {
    $client = new HttpClient($visitor['cookies']);
    $fields = ['add' => ['action' => 'add', 'item' => $argv[3] ?? ''], 'logout' => ['action' => 'logout']][$what] ?? null;
    $reply = $client->request($url, $fields);
    if ($what === 'add' && $reply['error'] === '') {
        $visitor['cart'][$argv[3]] = ($visitor['cart'][$argv[3]] ?? 0) + 1;
    }
    tally($visitor, $reply);
    $visitors[$i] = ['cookies' => $client->cookies] + $visitor;
}
file_put_contents($file, json_encode($visitors));

ksort($servers);
$counts['servers'] = implode(' ', array_map(fn ($server, $count) => "$server=$count", array_keys($servers), $servers));
$counts['error'] = $first_error;
foreach ($counts as $name => $value) {
    echo "all_$name=", escapeshellarg(preg_replace('/[^\x20-\x7e]/', '?', (string) $value)), "\n";
}
