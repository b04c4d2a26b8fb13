<?php
// Clients that keep a web server busy: wrk, which finds out what it can do at most, and one of our own that asks at a
// fixed rate or keeps every request's own time (load_client.php). Used by the sections.
declare(strict_types=1);

// A load of wrk on one URL, in which requests go from session to session: requests, failed, microseconds.
final class Wrk
{
    private Process $process;

    public function __construct(string $url, array $sessions, float $seconds, int $connections = 4)
    {
        static $number = 0;
        $name = 'wrk_' . ++$number;
        $cookies = array_map(fn($header) => "\"$header\"", cookie_headers($sessions));
        file_put_contents("$GLOBALS[folder]/$name.lua", 'local sessions = {' . implode(',', $cookies) . "}\n" . <<<'END'
            local at = 0
            function request()
              at = at % math.max(1, #sessions) + 1
              if #sessions > 0 then wrk.headers["Cookie"] = sessions[at] end
              return wrk.format()
            end
            function done(summary, latency)
              local e = summary.errors
              print(string.format('\n{"requests":%d,"failed":%d,"us":%d,"p50":%d,"p99":%d,"max":%d}', summary.requests,
                e.connect + e.read + e.write + e.status + e.timeout, summary.duration, latency:percentile(50),
                latency:percentile(99), latency.max))
            end
            END);
        $this->process = new Process($name, ['wrk', '-t1', "-c$connections", '-d' . max(1, (int) round($seconds)) . 's',
            '--timeout', '10s', '-s', "$GLOBALS[folder]/$name.lua", $url], other_cpu());
    }

    public function wait(): array
    {
        $result = $this->process->lastJson();
        $this->process->stop();
        return $result;
    }
}

// Of sessions' cookies, as headers have them.
function cookie_headers(array $sessions): array
{
    return array_map(fn(array $session) => implode('; ',
        array_map(fn($name, $value) => "$name=$value", array_keys($session), $session)), $sessions);
}

// $rate requests per second, or with 0 one after the other on each connection. What load_client.php prints.
function load(string $url, array $sessions, float $seconds, float $rate = 0, int $connections = 4): array
{
    static $number = 0;
    $order = ['port' => parse_url($url, PHP_URL_PORT), 'path' => substr($url, strpos($url, '/', 8)),
        'cookies' => cookie_headers($sessions), 'seconds' => $seconds, 'connections' => $connections, 'rate' => $rate];
    $client = new Process('load_' . ++$number, ['php', '-n', __DIR__ . '/load_client.php', json_encode($order)],
        other_cpu());
    $load = $client->lastJson();
    $client->stop();
    return $load + ['per_second' => $load['requests'] * 1e6 / $load['us']];
}
