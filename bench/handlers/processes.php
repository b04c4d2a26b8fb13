<?php
// The processes of one run: each in a session of its own, pinned to a processor, ended by its id with the run. Used by
// bench/handlers/run.php and its sections.
declare(strict_types=1);

final class Process
{
    private $process;
    private array $pipes = [];
    public readonly int $pid;
    private bool $ended = false;
    private static array $running = [];

    /** @param string[] $command */
    public function __construct(public readonly string $name, array $command, ?int $cpu = null, array $environment = [])
    {
        $log = ['file', "$GLOBALS[folder]/$name.log", 'a'];
        // Should this script be killed, what it started goes with it.
        $command = [...($cpu === null ? [] : ['taskset', '-c', (string) $cpu]),
            'setpriv', '--pdeathsig', 'TERM', 'setsid',
            // Before whatever else the machine does: among all, and where sessions are weighed against each other.
            'nice', '-n', '-10', 'sh', '-c', '{ echo -10 >/proc/self/autogroup; } 2>/dev/null; exec "$@"', 'sh',
            ...$command];
        $this->process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], $log], $this->pipes, $GLOBALS['folder'],
            $environment + ['PHP_INI_SCAN_DIR' => ''] + getenv());
        if ($this->process === false) {
            throw new RuntimeException("cannot start $name");
        }
        $this->pid = proc_get_status($this->process)['pid'];
        self::$running[$this->pid] = $this;
    }

    // A question and its one-line answer, both JSON.
    public function ask(mixed $question): mixed
    {
        fwrite($this->pipes[0], json_encode($question) . "\n");
        return $this->answer();
    }

    public function answer(): mixed
    {
        $line = fgets($this->pipes[1]);
        if ($line === false) {
            throw new RuntimeException("$this->name ended: " . $this->log());
        }
        return json_decode($line, true, 512, JSON_THROW_ON_ERROR);
    }

    // Has it end by itself, as there is nothing more to ask.
    public function finish(float $seconds = 15): void
    {
        fclose($this->pipes[0]);
        unset($this->pipes[0]);
        await(fn() => !$this->lives(), "the end of $this->name", $seconds);
        $this->stop();
    }

    // The JSON lines among what it prints until it ends.
    public function jsonLines(): Generator
    {
        while (($line = fgets($this->pipes[1])) !== false) {
            if ($line[0] === '{') {
                yield json_decode($line, true, 512, JSON_THROW_ON_ERROR);
            }
        }
    }

    public function lastJson(): array
    {
        foreach ($this->jsonLines() as $last) {
        }
        return $last ?? throw new RuntimeException("$this->name said nothing: " . $this->log());
    }

    public function log(): string
    {
        return implode("\n", array_slice(file("$GLOBALS[folder]/$this->name.log", FILE_IGNORE_NEW_LINES), -8));
    }

    public function lives(): bool
    {
        return !$this->ended && proc_get_status($this->process)['running'];
    }

    // Nanoseconds on a processor so far, of this process's children only (FPM's workers) or of itself.
    public function cpuTime(bool $children = false): int
    {
        $pids = [$this->pid];
        if ($children) {
            $pids = preg_split('/\s+/', trim((string) @file_get_contents("/proc/$this->pid/task/$this->pid/children")));
        }
        $sum = 0;
        foreach ($pids as $pid) {
            foreach (glob("/proc/$pid/task/*/schedstat") as $file) {
                $sum += (int) explode(' ', (string) @file_get_contents($file))[0];
            }
        }
        return $sum;
    }

    public function signal(int $signal, bool $group = false): void
    {
        if (!$this->ended) {
            posix_kill($group ? -$this->pid : $this->pid, $signal);
        }
    }

    public function kill(): void
    {
        $this->stop(SIGKILL);
    }

    public function stop(int $signal = SIGTERM): void
    {
        if ($this->ended) {
            return;
        }
        posix_kill(-$this->pid, $signal);
        posix_kill(-$this->pid, SIGCONT);
        $end = hrtime(true) + 3_000_000_000;
        while ($this->groupLives()) {
            if (hrtime(true) > $end) {
                posix_kill(-$this->pid, SIGKILL);
                $end = PHP_INT_MAX;
            }
            proc_get_status($this->process);  // reaps it
            usleep(500);
        }
        $this->ended = true;
        array_map('fclose', $this->pipes);
        proc_close($this->process);
        unset(self::$running[$this->pid]);
    }

    // One that has ended and that nobody has asked about yet does not count.
    private function groupLives(): bool
    {
        if (!posix_kill(-$this->pid, 0)) {
            return false;
        }
        foreach (glob('/proc/[0-9]*/stat') as $file) {
            $text = (string) @file_get_contents($file);
            $fields = explode(' ', substr($text, (int) strrpos($text, ')') + 2));
            if ((int) ($fields[2] ?? 0) === $this->pid && !in_array($fields[0], ['Z', 'X'], true)) {
                return true;
            }
        }
        return false;
    }

    public static function stopAll(): void
    {
        foreach (self::$running as $process) {
            posix_kill(-$process->pid, SIGTERM);
            posix_kill(-$process->pid, SIGCONT);
        }
        foreach (self::$running as $process) {
            $process->stop();
        }
    }
}

function free_port(): int
{
    // Below what the kernel hands out for outgoing connections, so that nobody gets the port of a server that is down.
    for ($try = 0; $try < 1000; $try++) {
        $port = random_int(12000, 29999);
        if ($socket = @stream_socket_server("tcp://127.0.0.1:$port")) {
            fclose($socket);
            return $port;
        }
    }
    throw new RuntimeException('no free port');
}

function await(callable $condition, string $what, float $seconds = 15): mixed
{
    $end = hrtime(true) + (int) ($seconds * 1e9);
    while (!($value = $condition())) {
        if (hrtime(true) > $end) {
            throw new RuntimeException("waited in vain for $what");
        }
        usleep(1000);
    }
    return $value;
}

function await_port(Process $process, int|string $address): void
{
    $address = is_int($address) ? "tcp://127.0.0.1:$address" : "unix://$address";
    await(function () use ($process, $address) {
        if (!$process->lives()) {
            throw new RuntimeException("$process->name ended: " . $process->log());
        }
        return @stream_socket_client($address) !== false;
    }, $process->name);
}

// Two places for processes, so that no measurement depends on where the kernel happens to put them: PHP here, and what
// it asks there.
function php_cpu(): int
{
    return $GLOBALS['cpus'][0];
}

function other_cpu(): int
{
    return $GLOBALS['cpus'][count($GLOBALS['cpus']) - 1];
}

function start_memcached(string $name, int $port, ?int $cpu = null): Process
{
    $process = new Process($name, ['memcached', '-u', 'root', '-U', '0', '-l', '127.0.0.1', '-p', (string) $port,
        '-m', '512', '-t', '1', '-c', '2048'], $cpu ?? other_cpu());
    await_port($process, $port);
    return $process;
}

function start_redis(string $name, int $port, ?int $cpu = null): Process
{
    $process = new Process($name, ['redis-server', '--port', (string) $port, '--bind', '127.0.0.1', '--save', '',
        '--appendonly', 'no', '--dir', $GLOBALS['folder'], '--daemonize', 'no'], $cpu ?? other_cpu());
    await_port($process, $port);
    return $process;
}
