<?php
// One PHP process that keeps many sessions, told on standard input what to do, a JSON line each: {"grow": number of
// sessions, "bytes": of each's payload, "apart": in a child process, whose connections are its own}, {"cycles"} of
// unchanged sessions at random, {"workers", "ms"} in child processes, and {"status"}. Started by section_memory.php.
declare(strict_types=1);

ob_start();
foreach (['use_cookies', 'use_only_cookies', 'use_strict_mode'] as $setting) {
    ini_set("session.$setting", '0');
}
ini_set('session.cache_limiter', '');
ini_set('session.gc_probability', '0');
mt_srand(1);
$count = 0;
$data = '';

const FIRST_USER = 1_000_000_000;  // all take as many digits

// Serialized text that takes so many bytes together with the rest of a session.
function data_of(int $bytes): string
{
    $text = bin2hex(random_bytes(intdiv($bytes, 2) + 1));
    for ($length = $bytes; ; --$length) {
        // As session.serialize_handler=php writes it.
        if (strlen('user|' . serialize(FIRST_USER) . 'data|' . serialize(substr($text, 0, $length))) <= $bytes) {
            return substr($text, 0, $length);
        }
    }
}

function grow(int $count): void
{
    for (; $GLOBALS['count'] < $count; ++$GLOBALS['count']) {
        cycle($GLOBALS['count']);
    }
}

// Ends with nothing cleaned up: what the parent has is not the child's to close.
function in_child(callable $work): int
{
    if (($pid = pcntl_fork()) === 0) {
        $work();
        posix_kill(getmypid(), SIGKILL);
    }
    return $pid;
}

function cycle(int $number): void
{
    session_id(sprintf('%032d', $number));
    session_start();
    if (!isset($_SESSION['data'])) {
        $_SESSION = ['user' => FIRST_USER + $number, 'data' => $GLOBALS['data']];
        ++$GLOBALS['made'];
    }
    session_write_close();
}

function cycles(int $cycles): array
{
    $order = [];
    for ($i = 0; $i < $cycles; ++$i) {
        $order[] = mt_rand(0, $GLOBALS['count'] - 1);
    }
    $use = getrusage();
    $start = hrtime(true);
    foreach ($order as $number) {
        cycle($number);
    }
    $wall = hrtime(true) - $start;
    $end = getrusage();
    $cpu = 0;
    foreach (['ru_utime', 'ru_stime'] as $part) {
        $cpu += 1e9 * ($end["$part.tv_sec"] - $use["$part.tv_sec"])
            + 1e3 * ($end["$part.tv_usec"] - $use["$part.tv_usec"]);
    }
    return ['wall' => $wall / $cycles, 'cpu' => $cpu / $cycles];
}

// Cycles of all child processes per second of processor time, and nanoseconds of it per cycle.
function together(int $workers, int $ms): array
{
    $pipes = $children = [];
    $start = hrtime(true) + 20_000_000 + $workers * 2_000_000;
    for ($i = 0; $i < $workers; ++$i) {
        $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        $children[] = in_child(function () use ($i, $pair, $start, $ms) {
            mt_srand($i);
            usleep((int) max(0, ($start - hrtime(true)) / 1000));
            $done = $cpu = 0;
            while (hrtime(true) < $start + $ms * 1_000_000) {
                $cpu += cycles(20)['cpu'] * 20;
                $done += 20;
            }
            // A child that found a session missing has compared nothing.
            fwrite($pair[1], json_encode([$done, $cpu, $GLOBALS['made']]) . "\n");
        });
        fclose($pair[1]);
        $pipes[] = $pair[0];
    }
    $answers = array_map(fn($pipe) => json_decode(fgets($pipe)), $pipes);
    array_map(fn($pid) => pcntl_waitpid($pid, $status), $children);
    $done = array_sum(array_column($answers, 0));
    return ['per_second' => $done * 1000 / $ms, 'cpu' => array_sum(array_column($answers, 1)) / $done,
        'made' => array_sum(array_column($answers, 2))];
}

set_error_handler(static function (int $severity, string $message): never {
    fwrite(STDERR, "$message\n");
    exit(1);
});
while (($line = fgets(STDIN)) !== false) {
    $order = json_decode($line, true);
    $answer = null;
    $made = 0;
    if (isset($order['grow'])) {
        $data = data_of($order['bytes']);
        if ($order['apart'] ?? false) {
            pcntl_waitpid(in_child(fn() => grow($order['grow'])), $status);
            $count = $order['grow'];
        } else {
            grow($order['grow']);
        }
        $answer = ['made' => $made];
    } elseif (isset($order['cycles'])) {
        $answer = cycles($order['cycles']) + ['made' => $made];
    } elseif (isset($order['workers'])) {
        $answer = together($order['workers'], $order['ms']);
    } else {
        $answer = clustered_session_status()['memory'];
    }
    fwrite(STDOUT, json_encode($answer) . "\n");
}
