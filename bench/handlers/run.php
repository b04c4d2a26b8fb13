<?php
// Runs the sections of scripts/bench and writes what they measured as JSON. Started by scripts/bench only, which builds
// what is needed and removes the folders: run.php quick|full JSON FOLDER EXTENSION BARE_HANDLER MEMORY_FOLDER [section...]
declare(strict_types=1);

const SECTIONS = ['cycle', 'waits', 'http', 'parallel', 'memory', 'faults', 'takeover'];

[, $mode, $json_file, $folder, $extension, $bare_handler, $memory_folder] = $argv;
$chosen = array_slice($argv, 7) ?: SECTIONS;
$quick = $mode === 'quick';
$targets = [];
$started = microtime(true);

// The processors this run may use.
preg_match('/^Cpus_allowed_list:\s*(\S+)/m', file_get_contents('/proc/self/status'), $found);
$cpus = [];
foreach (explode(',', $found[1]) as $range) {
    [$from, $to] = explode('-', $range) + [1 => $range];
    $cpus = [...$cpus, ...range((int) $from, (int) $to)];
}

foreach (['statistics', 'processes', 'stores', 'peers', 'web', ...array_map(fn($name) => "section_$name", $chosen)] as $part) {
    if (is_file(__DIR__ . "/$part.php")) {
        require __DIR__ . "/$part.php";
    }
}

function progress(string $what): void
{
    $time = sprintf('%4d s  ', (int) (microtime(true) - $GLOBALS['started']));
    fwrite(STDERR, stream_isatty(STDERR) ? "\r\e[K$time$what" : "$time$what\n");
}

// $figure is a summary; it is to be at most $limit, or at least.
function target(string $what, array $figure, float $limit, bool $at_least = false): void
{
    $value = $figure['median'];
    $met = $at_least ? $value >= $limit : $value <= $limit;
    $GLOBALS['targets'][] = ['what' => $what, 'met' => $met, 'limit' => $limit, 'at_least' => $at_least] + $figure;
}

function show_targets(): int
{
    $missed = 0;
    foreach ($GLOBALS['targets'] as $target) {
        $missed += $target['met'] ? 0 : 1;
        printf("%-6s %8.2f (%.2f to %.2f)  %s %-6s  %s\n", $target['met'] ? 'ok' : 'MISSED', $target['median'],
            $target['low'], $target['high'], $target['at_least'] ? 'at least' : 'at most ', round($target['limit'], 2),
            $target['what']);
    }
    printf("%d targets met, %d missed\n", count($GLOBALS['targets']) - $missed, $missed);
    return $missed;
}

function machine(): array
{
    preg_match('/^model name\s*:\s*(.*)$/m', file_get_contents('/proc/cpuinfo'), $cpu);
    $run = fn(string $command) => trim((string) strtok((string) shell_exec("$command 2>&1"), "\n"));
    $packages = ['php8.2-cli', 'php8.2-memcached', 'php8.2-redis', 'php8.2-memcache', 'memcached', 'redis-server', 'nginx',
        'libmemcached11', 'wrk'];
    $versions = [];
    foreach ($packages as $package) {
        $versions[$package] = $run('dpkg-query -W -f \'${Version}\' ' . $package);
    }
    return ['cpu' => $cpu[1] ?? php_uname('m'), 'processors' => count($GLOBALS['cpus']),
        'kernel' => preg_replace('/^(\d+\.\d+).*/', '$1', php_uname('r')),
        'versions' => $versions,
        'revision' => $run('git -C ' . escapeshellarg(dirname(__DIR__, 2)) . ' rev-parse --short HEAD'),
        'load_before' => sys_getloadavg()[0]];
}

pcntl_async_signals(true);
foreach ([SIGINT, SIGTERM, SIGHUP] as $signal) {
    pcntl_signal($signal, fn() => exit(128 + $signal));
}
register_shutdown_function(Process::stopAll(...));

$results = ['date' => gmdate('Y-m-d H:i') . ' UTC', 'quick' => $quick, 'machine' => machine()];
foreach ($chosen as $section) {
    $from = microtime(true);
    $results['sections'][$section] = "section_$section"($quick);
    $results['seconds'][$section] = round(microtime(true) - $from, 1);
}
$results['peers'] = array_map(fn(Peer $peer) => $peer->label, peers([0, 0], 0, '', ''));
$results['targets'] = $targets;
$results['seconds']['all'] = round(microtime(true) - $started, 1);
file_put_contents($json_file, json_encode($results, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES) . "\n");
if (stream_isatty(STDERR)) {
    fwrite(STDERR, "\r\e[K");
}
show_targets();
