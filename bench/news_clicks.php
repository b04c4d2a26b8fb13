<?php
// Visitors who each look at a page every two seconds: how many of these requests waited for a node.
//   php news_clicks.php <url> <visitors> <seconds>
declare(strict_types=1);

require __DIR__ . '/../scripts/lib/http_client.php';

[, $url, $visitors, $seconds] = $argv;
$clients = [];
for ($i = 0; $i < (int) $visitors; $i++) {
    $clients[$i] = new HttpClient();
    $clients[$i]->request($url, ['action' => 'login', 'user' => "visitor $i"]);
}
$requests = $waited = 0;
$begin = hrtime(true);
while (hrtime(true) - $begin < 1e9 * (int) $seconds) {
    $reply = $clients[$requests % (int) $visitors]->request($url);
    if (($reply['user'] ?? null) === null) {
        fwrite(STDERR, 'a visitor is not served: ' . ($reply['error'] ?? '') . "\n");
        exit(1);
    }
    $requests++;
    $waited += $reply['waits'] > 0 ? 1 : 0;
    usleep(max(0, (int) (($begin + $requests * 2e9 / (int) $visitors - hrtime(true)) / 1000)));
}
printf("%d of %d requests waited for a node\n", $waited, $requests);
