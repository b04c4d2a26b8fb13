<?php
// One client of run_counters: adds to its own counter in each of its sessions, looks at them, and now and then destroys
// one, or gives one that is nobody else's another ID. It ends when the folder has a file 'stop'. Each request becomes a
// line of the history, see session_history.php. IDs that were given up go to the file 'old_ids'.
//   php counters_client.php <folder> make <sessions>     makes them; their IDs go to the file 'sessions'
//   php counters_client.php <folder> <name> <seed>       a client; which sessions and what to do, the seed decides
//   php counters_client.php <folder> end                 looks at every session on every server
//   php counters_client.php <folder> old                 asks every server for every ID that was given up; prints how
//                                                        many there are, and how many answers show a session. With
//                                                        OLD_IDS in the environment those of this file of the folder
// The folder has a file 'urls': the balancer's, then each web server's; and 'phase', what is wrong just now.
declare(strict_types=1);

require __DIR__ . '/../../scripts/lib/http_client.php';

const ELSEWHERE_PERCENT = 4;   // of requests ask a web server past the balancer, with whatever cookies there are
const LONGEST_PAUSE_US = 12_000;

final class Client
{
    private $history;
    /** @var array<int, array<string, string>> cookies, by session */
    private array $cookies = [];

    public function __construct(private string $folder, private string $name, private array $urls)
    {
        $this->history = fopen("$folder/history.$name", 'a');
    }

    /** One request and its line. Gives back whether it was acknowledged. */
    public function ask(int $session, string $what, string $url, array $cookies = []): bool
    {
        static $number = 0;
        $phase = trim((string) @file_get_contents("$this->folder/phase"));
        $client = new HttpClient($this->cookies[$session] ?? $cookies);
        $cookie = $client->cookies['PHPSESSID_AT'] ?? '';
        $token = "$this->name." . ++$number;
        $fields = ['what' => $what, 'client' => $this->name, 'token' => $token];
        $sent = hrtime(true);
        $reply = $client->request("{$url}counters.php", $what === 'read' ? null : $fields);
        $this->cookies[$session] = $client->cookies;
        $line = ['client' => $this->name, 'session' => $session, 'what' => $what, 'token' => $token, 'sent' => $sent,
            'replied' => hrtime(true), 'phase' => $phase, 'acknowledged' => $reply['error'] === '',
            'error' => $reply['error'] . (isset($reply['warning']) ? " $reply[warning]" : ''), 'url' => $url,
            'cookie' => $cookie, 'cookie_after' => $client->cookies['PHPSESSID_AT'] ?? '',
            'server' => $reply['server_id'] ?? '', 'nodes' => $reply['nodes'] ?? '', 'seen' => $reply['seen'] ?? []];
        fwrite($this->history, json_encode($line) . "\n");
        return $reply['error'] === '';
    }

    public function cookie(int $session): string
    {
        return $this->cookies[$session]['PHPSESSID'] ?? '';
    }

    private function regenerate(int $session, string $url, array $cookies): void
    {
        $before = $this->cookie($session) ?: $cookies['PHPSESSID'];
        if ($this->ask($session, 'regenerate', $url, $cookies) && $this->cookie($session) !== $before) {
            file_put_contents("$this->folder/old_ids", "$before\n", FILE_APPEND);
        }
    }

    /** @return array<int, string> the IDs of sessions that this client alone has */
    public function idsOfMine(): array
    {
        $mine = array_filter(array_keys($this->cookies), fn ($session) => $session % 4 >= 2);
        return array_combine($mine, array_map($this->cookie(...), $mine));
    }

    /** @param list<string> $ids */
    public function run(array $ids): void
    {
        // Half of the sessions are everybody's, each of the others is one client's.
        $mine = fn ($session) => $session % 4 < 2 || $this->name === 'c' . intdiv($session, 4) + 1;
        $known = array_values(array_filter(array_keys($ids), $mine));
        while (!file_exists("$this->folder/stop")) {
            $session = $known[array_rand($known)];
            $what = $this->choose($session);
            // A destruction that was not acknowledged may have happened or not: it is told until it was.
            do {
                $elsewhere = mt_rand(1, 100) <= ELSEWHERE_PERCENT;
                $url = $this->urls[$elsewhere ? mt_rand(1, count($this->urls) - 1) : 0];
                $cookies = ['PHPSESSID' => $ids[$session]];
                if ($what === 'regenerate') {
                    $this->regenerate($session, $url, $cookies);
                } else {
                    $acknowledged = $this->ask($session, $what, $url, $cookies);
                }
                usleep(mt_rand(0, LONGEST_PAUSE_US));
            } while ($what === 'destroy' && !$acknowledged);
        }
    }

    // Every other session is never destroyed: what was added there at the beginning must be there at the end.
    private function choose(int $session): string
    {
        $dice = mt_rand(1, 1000);
        return match (true) {
            $dice <= 8 && $session % 2 === 1 => 'destroy',
            $dice <= 30 && $session % 4 >= 2 => 'regenerate',
            $dice <= 150 => 'read',
            $dice <= 300 => 'look',
            default => 'add',
        };
    }
}

[, $folder, $name] = $argv;
$urls = explode(' ', trim(file_get_contents("$folder/urls")));
$client = new Client($folder, $name, $urls);
if ($name === 'make') {
    $ids = [];
    for ($session = 0; $session < (int) $argv[3]; $session++) {
        $client->ask($session, 'add', $urls[0]) || exit("no session could be made\n");
        $ids[] = $client->cookie($session);
    }
    file_put_contents("$folder/sessions", json_encode($ids));
    return;
}
$ids = json_decode(file_get_contents("$folder/sessions"), true);
foreach (glob("$folder/sessions.*") as $file) {
    $ids = array_replace($ids, json_decode(file_get_contents($file), true));
}
if ($name === 'old') {
    $file = getenv('OLD_IDS') ?: 'old_ids';
    $old = array_unique(@file("$folder/$file", FILE_IGNORE_NEW_LINES) ?: []);
    $shown = 0;
    foreach (array_slice($urls, 1) as $url) {
        foreach ($old as $id) {
            $reply = (new HttpClient(['PHPSESSID' => $id]))->request("{$url}counters.php", ['what' => 'look']);
            $shown += $reply['error'] !== '' || $reply['seen'] !== [] ? 1 : 0;
        }
    }
    echo count($old), ' ', $shown, "\n";
    return;
}
if ($name === 'end') {
    foreach (array_slice($urls, 1) as $url) {
        foreach ($ids as $session => $id) {
            $client->ask($session, 'look', $url, ['PHPSESSID' => $id]);
        }
    }
    return;
}
mt_srand((int) $argv[3]);
$client->run($ids);
file_put_contents("$folder/sessions.$name", json_encode($client->idsOfMine()));
