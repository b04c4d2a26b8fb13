<?php
// Web servers of one run: php-fpm with one peer each, nginx in front, and single requests to them. Used by the
// sections.
declare(strict_types=1);

// ?new=bytes makes a session, ?change changes it, ?sleep=us holds it.
const PAGE_BEGIN = <<<'END'
    <?php
    $failed = false;
    set_error_handler(function () use (&$failed) { $failed = true; return false; });

    END;
const PAGE_REST = <<<'END'
    if (isset($_GET['new'])) {
      $_SESSION = ['user' => 4711, 'name' => 'somebody', 'changes' => 0,
        'data' => substr(bin2hex(random_bytes(intdiv($_GET['new'], 2) + 1)), 0, (int) $_GET['new'])];
    }
    if (isset($_GET['change'])) ++$_SESSION['changes'];
    if (isset($_GET['key'])) $_SESSION['key' . $_GET['key']] = 1;
    if (isset($_GET['sleep'])) usleep((int) $_GET['sleep']);
    if ($failed || !isset($_SESSION['changes'])) http_response_code(500);
    echo $_SESSION['changes'] ?? 'no session', ' ',
      count(array_filter(array_keys($_SESSION), fn($name) => str_starts_with($name, 'key'))), "\n";
    END;
const PAGES = [
    // What every handler is asked for; and the same without a session.
    'page' => PAGE_BEGIN . "if (!session_start()) \$failed = true;\n" . PAGE_REST,
    'none' => PAGE_BEGIN . "\$_SESSION = ['user' => 4711, 'name' => 'somebody', 'changes' => 0, 'data' => ''];\n" . PAGE_REST,
    'status' => '<?php echo json_encode(clustered_session_status());',
    // How long the two halves of a session take: by the clock, and of processor time.
    'start' => <<<'END'
        <?php
        function processor_us() {
          $use = getrusage();
          return 1e6 * ($use['ru_utime.tv_sec'] + $use['ru_stime.tv_sec'])
            + $use['ru_utime.tv_usec'] + $use['ru_stime.tv_usec'];
        }
        $cpu_us = processor_us();
        $start = hrtime(true);
        if (!session_start() || !isset($_SESSION['changes'])) http_response_code(500);
        $start_us = (hrtime(true) - $start) / 1000;
        session_write_close();
        echo json_encode(['start_us' => $start_us, 'all_us' => (hrtime(true) - $start) / 1000,
          'cpu_us' => processor_us() - $cpu_us]);
        END,
    // How often the two halves wait for nodes. The status takes milliseconds, so that nothing is timed here.
    'count' => <<<'END'
        <?php
        $waits = fn() => clustered_session_status()['counters']['node_waits'];
        $before = $waits();
        if (!session_start() || !isset($_SESSION['changes'])) http_response_code(500);
        $read = $waits() - $before;
        session_write_close();
        echo json_encode(['read' => $read, 'all' => $waits() - $before]);
        END,
    // For nodes that fail: answers well only if the session was there, and was written.
    'change' => <<<'END'
        <?php
        $failed = false;
        set_error_handler(function () use (&$failed) { $failed = true; return true; });
        if (!session_start() || !isset($_SESSION['changes'])) $failed = true;
        $changes = $_SESSION['changes'] = ($_SESSION['changes'] ?? 0) + (isset($_GET['change']) ? 1 : 0);
        if (!session_write_close() || $failed) http_response_code(500);
        echo $changes, "\n";
        END,
];

final class Fpm
{
    public readonly string $socket;
    public readonly Process $process;

    public function __construct(public readonly string $name, ?Peer $peer, int $workers, array $settings = [],
        ?int $cpu = null)
    {
        $folder = "$GLOBALS[folder]/fpm_$name";
        @mkdir($folder);
        web_folder();
        $this->socket = "$folder/socket";
        @unlink($this->socket);
        $lines = ['zend_extension = opcache', 'opcache.enable = 1', 'error_reporting = E_ALL', 'log_errors = 1',
            'display_errors = 0', 'session.gc_probability = 0'];
        foreach ($peer?->extensions ?? [] as $extension) {
            $lines[] = "extension = $extension";
        }
        foreach ($settings + ($peer?->settings ?? []) as $setting => $value) {
            $lines[] = "$setting = \"$value\"";
        }
        file_put_contents("$folder/php.ini", implode("\n", $lines) . "\n");
        file_put_contents("$folder/fpm.conf", <<<END
            [global]
            error_log = /proc/self/fd/2
            daemonize = no
            [www]
            listen = $this->socket
            listen.mode = 0666
            listen.backlog = 4096
            user = www-data
            group = www-data
            pm = static
            pm.max_children = $workers
            catch_workers_output = yes
            END);
        $this->process = new Process("fpm_$name", ['php-fpm8.2', '--nodaemonize', '--force-stderr',
            '-c', "$folder/php.ini", '--fpm-config', "$folder/fpm.conf", '--prefix', $folder], $cpu ?? php_cpu());
        await_port($this->process, $this->socket);
    }
}

function web_folder(): string
{
    $folder = "$GLOBALS[folder]/web";
    if (!is_dir($folder)) {
        mkdir($folder);
        foreach (PAGES as $name => $text) {
            file_put_contents("$folder/$name.php", $text);
        }
    }
    return $folder;
}

final class Nginx
{
    private Process $process;
    public readonly int $port;

    /** @param array<string, string[]> $places URL's first part => sockets of php-fpm, the first first */
    public function __construct(string $name, array $places)
    {
        $this->port = free_port();
        $folder = "$GLOBALS[folder]/nginx_$name";
        mkdir($folder);
        $root = web_folder();
        $upstreams = $locations = '';
        foreach ($places as $place => $sockets) {
            $upstreams .= "upstream $place {\n";
            foreach ($sockets as $number => $socket) {
                $upstreams .= "  server unix:$socket" . ($number > 0 ? ' backup' : ' max_fails=1 fail_timeout=2s')
                    . ";\n";
            }
            $upstreams .= "}\n";
            $locations .= <<<END
                  location ~ ^/$place/(\w+)\$ {
                    include /etc/nginx/fastcgi_params;
                    fastcgi_param SCRIPT_FILENAME $root/\$1.php;
                    fastcgi_pass $place;
                    fastcgi_connect_timeout 1s;
                    fastcgi_next_upstream error timeout;
                    fastcgi_next_upstream_tries 2;
                    add_header X-Servers \$upstream_addr always;
                  }

                END;
        }
        file_put_contents("$folder/nginx.conf", <<<END
            daemon off;
            worker_processes 1;
            pid $folder/pid;
            error_log stderr error;
            user www-data;
            events { worker_connections 4096; }
            http {
              access_log off;
              keepalive_requests 100000000;
              client_body_temp_path $folder/body;
              fastcgi_temp_path $folder/fastcgi;
              proxy_temp_path $folder/proxy;
              uwsgi_temp_path $folder/uwsgi;
              scgi_temp_path $folder/scgi;
              $upstreams
              server {
                listen 127.0.0.1:$this->port backlog=4096;
                $locations
              }
            }
            END);
        $this->process = new Process("nginx_$name", ['nginx', '-e', 'stderr', '-c', "$folder/nginx.conf"], other_cpu());
        await_port($this->process, $this->port);
    }

    public function stop(): void
    {
        $this->process->stop();
    }

    public function url(string $place, string $page): string
    {
        return "http://127.0.0.1:$this->port/$place/$page";
    }
}

// Requests at once, one per member: [URL, cookies]. Answers each: status, body, cookies, servers, seconds.
function ask_at_once(array $requests, float $timeout_s = 60): array
{
    $sockets = $start = $text = $answers = [];
    foreach ($requests as $key => [$url, $cookies]) {
        ['port' => $port, 'path' => $path, 'query' => $query] = parse_url($url) + ['query' => ''];
        $header = implode('; ', array_map(fn($name, $value) => "$name=$value", array_keys($cookies), $cookies));
        $sockets[$key] = stream_socket_client("tcp://127.0.0.1:$port");
        stream_set_blocking($sockets[$key], false);
        $text[$key] = "GET $path?$query HTTP/1.0\r\nHost: localhost\r\n"
            . ($header === '' ? '' : "Cookie: $header\r\n") . "\r\n";
    }
    foreach ($sockets as $key => $socket) {
        $start[$key] = hrtime(true);
        fwrite($socket, $text[$key]);
        $text[$key] = '';
    }
    $end = hrtime(true) + (int) ($timeout_s * 1e9);
    while ($sockets && hrtime(true) < $end) {
        $readable = $sockets;
        $none = null;
        stream_select($readable, $none, $none, 1);
        foreach ($readable as $key => $socket) {
            $bytes = fread($socket, 65536);
            if ($bytes !== '' && $bytes !== false) {
                $text[$key] .= $bytes;
            } elseif (feof($socket)) {
                $answers[$key] = parse_answer($text[$key], (hrtime(true) - $start[$key]) / 1e9);
                unset($sockets[$key]);
            }
        }
    }
    foreach ($sockets as $key => $socket) {
        $answers[$key] = parse_answer('', $timeout_s);
    }
    ksort($answers);
    return $answers;
}

function parse_answer(string $text, float $seconds): array
{
    [$head, $body] = explode("\r\n\r\n", $text, 2) + ['', ''];
    $cookies = [];
    preg_match_all('/^Set-Cookie: ([^=]+)=([^;\r]*)/mi', $head, $found, PREG_SET_ORDER);
    foreach ($found as [, $name, $value]) {
        $cookies[$name] = $value;
    }
    preg_match('/^X-Servers: (.*?)\r?$/mi', $head, $servers);
    return ['status' => (int) (explode(' ', $head)[1] ?? 0), 'body' => trim($body), 'cookies' => $cookies,
        'servers' => $servers[1] ?? '', 'seconds' => $seconds];
}

function ask(string $url, array $cookies = []): array
{
    return ask_at_once([[$url, $cookies]])[0];
}

// Cookies of new sessions of so many bytes.
function new_sessions(string $url, int $count, int $bytes): array
{
    $sessions = [];
    while (count($sessions) < $count) {
        foreach (ask_at_once(array_fill(0, min(4, $count - count($sessions)), ["$url?new=$bytes", []])) as $answer) {
            if ($answer['status'] !== 200 || $answer['cookies'] === []) {
                throw new RuntimeException("no new session from $url: " . json_encode($answer));
            }
            $sessions[] = $answer['cookies'];
        }
    }
    return $sessions;
}
