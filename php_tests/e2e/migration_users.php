<?php
// Users who shop one after the other, each request at any of the servers, until a file appears. Prints how many requests
// they made, and what they saw that must not be. For e2e/run_migration.
//   php migration_users.php <users> <sticky or any> <file that ends it> <file for the number of rounds> <url>...
// In a round each user makes a request. Sticky: each at a server of his own, also with a cookie that was logged out.
declare(strict_types=1);

require __DIR__ . '/../../scripts/lib/http_client.php';

$count = (int) $argv[1];
$sticky = $argv[2] === 'sticky';
$stop = $argv[3];
$rounds = $argv[4];
$urls = array_slice($argv, 5);
$seen = ['requests' => 0, 'updates' => 0, 'logouts' => 0, 'logged_out' => 0, 'lost' => 0, 'revived' => 0, 'failed' => 0];

final class User
{
    public HttpClient $client;
    public string $token = '';
    public int $updates = 0;

    public function __construct(public string $name, public ?string $url)
    {
        $this->client = new HttpClient();
    }
}

function violation(string $what, string $why): void
{
    global $seen;
    $seen[$what]++;
    if ($seen[$what] < 4) {
        echo "violation $what: $why\n";
    }
}

function ask(HttpClient $client, ?array $fields, ?string $url = null): array
{
    global $urls, $seen;
    $seen['requests']++;
    $url ??= $urls[array_rand($urls)];
    $reply = $client->request($url, $fields) + ['seen' => [], 'url' => $url];
    if ($reply['http'] !== 200) {
        violation('failed', "$url: {$reply['error']} " . ($reply['warning'] ?? ''));
    }
    return $reply;
}

// What the server runs with now.
function step(string $url): string
{
    return (string) @file_get_contents(dirname($url) . '/step.php');
}

// Whether the session is the user's, with all that he has put in.
function check(User $user, array $reply, string $when): void
{
    if ($reply['http'] !== 200) {
        return;
    }
    [$token, $number] = $reply['seen'][$user->name] ?? ['', 0];
    if ($token !== $user->token) {
        violation('logged_out', "$when on $reply[server_id]: " . json_encode($reply['seen']));
    } elseif ($number !== $user->updates) {
        violation('lost', "$when on $reply[server_id]: $number of $user->updates");
    }
    $user->token = $token;
    $user->updates = $number;
}

function shop(User $user): void
{
    global $seen;
    $draw = random_int(0, 99);
    if ($user->token === '' || $draw < 60) {
        $user->token = $user->token === '' ? bin2hex(random_bytes(4)) : $user->token;
        $user->updates++;
        $seen['updates']++;
        check($user, ask($user->client, ['what' => 'add', 'client' => $user->name, 'token' => $user->token], $user->url), 'update');
    } elseif ($draw < 80) {
        check($user, ask($user->client, $draw < 70 ? null : ['what' => 'look'], $user->url), 'look');
    } elseif ($draw < 90) {
        check($user, ask($user->client, ['what' => 'regenerate'], $user->url), 'regenerate');
    } else {
        $cookies = $user->client->cookies;
        $from = ask($user->client, ['what' => 'destroy'], $user->url);
        $seen['logouts']++;
        for ($try = 1; $try <= 2; $try++) {
            $reply = ask(new HttpClient($cookies), null, $user->url);
            if (isset($reply['seen'][$user->name])) {
                violation('revived', "$try of $from[server_id] (" . step($from['url']) . ") on $reply[server_id] ("
                    . step($reply['url']) . '): ' . json_encode($reply['seen']));
            }
        }
        $user->client = new HttpClient();
        $user->token = '';
        $user->updates = 0;
    }
}

$users = array_map(fn ($i) => new User("user$i", $sticky ? $urls[$i % count($urls)] : null), range(1, $count));
for ($round = 1; is_dir(dirname($stop) . '/app') && !file_exists($stop); $round++) {  // or its run was broken off
    foreach ($users as $user) {
        shop($user);
    }
    file_put_contents("$rounds.new", (string) $round);
    rename("$rounds.new", $rounds);
    clearstatcache();
}
foreach ($users as $user) {
    if ($user->token !== '') {
        check($user, ask($user->client, null, $user->url), 'end');
    }
}
foreach ($seen as $what => $number) {
    echo "$what $number\n";
}
