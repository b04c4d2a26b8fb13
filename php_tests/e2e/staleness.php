<?php
// How long old cookies are good for on a server, once their sessions were logged out or changed on another one. Prints
// shell assignments.
//   php staleness.php logout|takeover <count> <url of the server with copies> <url of the one that acts> [file]
// Appends how long each was good for to the file, in milliseconds.
declare(strict_types=1);

require __DIR__ . '/../../scripts/lib/http_client.php';

[, $what, $count, $old, $new] = $argv;
$stale = [];
$trusted = 0;
for ($i = 0; $i < (int) $count; $i++) {
    $client = new HttpClient();
    $client->request($old, ['action' => 'login', 'user' => "visitor $i"]);
    $client->request($old, ['action' => 'add', 'item' => 'tea']);
    // Until the server serves it without asking: its reader is awake.
    for ($try = 0; $try < 400; $try++) {
        $reply = $client->request($old);
        if (($reply['waits'] ?? -1) === 0) {
            break;
        }
        usleep(10_000);
    }
    $trusted += ($reply['waits'] ?? -1) === 0 && $reply['user'] === "visitor $i" ? 1 : 0;
    $cookies = $client->cookies;
    // Some time of the interval.
    usleep(random_int(0, 400_000));
    $fields = $what === 'logout' ? ['action' => 'logout'] : ['action' => 'add', 'item' => 'lamp'];
    $reply = $client->request($new, $fields);
    if ($reply['error'] !== '') {
        fwrite(STDERR, "$what: {$reply['error']}\n");
        exit(1);
    }
    $begin = hrtime(true);
    $last_stale = $begin;
    do {
        $asked = hrtime(true);
        $seen = (new HttpClient($cookies))->request($old);
        $is_stale = $what === 'logout' ? $seen['user'] !== null : !isset($seen['cart']['lamp']);
        if ($is_stale) {
            $last_stale = $asked;
        }
        usleep(5_000);
    } while ($is_stale && hrtime(true) - $begin < 5e9);
    $stale[] = ($last_stale - $begin) / 1e6;
}
if (isset($argv[5])) {
    file_put_contents($argv[5], implode("\n", $stale) . "\n", FILE_APPEND);
}
sort($stale);
printf("stale_median=%d stale_longest=%d stale_trusted=%d\n", $stale[intdiv(count($stale), 2)], end($stale), $trusted);
