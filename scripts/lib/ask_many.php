<?php
// Asks the shop of php_tests/app many times with the same cookies and prints who answered, as shell assignments.
// Called by scripts/lib/client.sh:  php ask_many.php <url> <times> [<cookie name>=<value>]...
declare(strict_types=1);

require __DIR__ . '/http_client.php';

[, $url, $times] = $argv;
$cookies = [];
foreach (array_slice($argv, 3) as $cookie) {
    [$name, $value] = explode('=', $cookie, 2) + [1 => ''];
    $cookies[$name] = $value;
}

$servers = $pids = $users = $errors = [];
$waits = 0;
for ($i = 0; $i < (int) $times; $i++) {
    $reply = (new HttpClient($cookies))->request($url);
    if ($reply['error'] !== '') {
        $errors[] = $reply['error'];
        continue;
    }
    $servers[$reply['server_id']] = ($servers[$reply['server_id']] ?? 0) + 1;
    $pids[$reply['pid']] = true;
    $users[$reply['user'] ?? ''] = true;
    $waits = isset($reply['waits']) && $waits !== '' ? $waits + $reply['waits'] : '';
}
ksort($servers);
$tally = implode(' ', array_map(fn ($server, $count) => "$server=$count", array_keys($servers), $servers));

$lines = [
    'servers' => $tally,
    'failed' => count($errors),
    'pids' => count($pids),
    'users' => implode(' ', array_keys($users)),
    'waits' => $waits,
    'error' => $errors[0] ?? '',
];
foreach ($lines as $name => $value) {
    echo "many_$name=", escapeshellarg(preg_replace('/[^\x20-\x7e]/', '?', (string) $value)), "\n";
}
