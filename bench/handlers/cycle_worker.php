<?php
// One PHP process of one peer, told on standard input what to do, a JSON line each: {"make": bytes of payload} answers
// a session ID; {"id", "change", "cycles"} runs that many session cycles and answers their nanoseconds, by the clock
// and of processor time. Started by section_cycle.php and section_waits.php.
declare(strict_types=1);

ob_start();  // headers must not count as sent
ini_set('session.use_cookies', '0');
ini_set('session.use_only_cookies', '0');
ini_set('session.cache_limiter', '');
ini_set('session.use_strict_mode', '0');

function processor_ns(): int
{
    $use = getrusage();
    return 1000 * (1000000 * ($use['ru_utime.tv_sec'] + $use['ru_stime.tv_sec'])
        + $use['ru_utime.tv_usec'] + $use['ru_stime.tv_usec']);
}

function make(int $bytes): string
{
    session_id('');
    session_start();
    $_SESSION = ['user' => 4711, 'name' => 'somebody', 'changes' => 1000000000, 'data' => ''];
    // Serialized text; nothing that compresses to nothing.
    $_SESSION['data'] = substr(bin2hex(random_bytes(intdiv($bytes, 2) + 1)), 0,
        max(0, $bytes - strlen(session_encode())));
    $id = session_id();
    session_write_close();
    return $id;
}

function run(string $id, bool $change, int $cycles): array
{
    $cpu = processor_ns();
    $start = hrtime(true);
    for ($i = 0; $i < $cycles; ++$i) {
        session_id($id);
        session_start();
        if ($change) {
            ++$_SESSION['changes'];
        }
        session_write_close();
    }
    $wall = hrtime(true) - $start;
    return ['wall' => $wall / $cycles, 'cpu' => (processor_ns() - $cpu) / $cycles,
        'changes' => $_SESSION['changes'] ?? 0];
}

set_error_handler(static function (int $severity, string $message): never {
    fwrite(STDERR, "$message\n");
    exit(1);
});
while (($line = fgets(STDIN)) !== false) {
    $order = json_decode($line, true);
    $answer = isset($order['make']) ? make($order['make']) : run($order['id'], $order['change'], $order['cycles']);
    fwrite(STDOUT, json_encode($answer) . "\n");
}
