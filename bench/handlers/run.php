<?php
// Runs the sections of scripts/bench and writes what they measured as JSON. Started by scripts/bench only, which builds
// what is needed and removes the folders:
//   run.php smoke|quick|full JSON FOLDER EXTENSION BARE_HANDLER MEMORY_FOLDER NODE_BENCHES LOAD_BEFORE [section...]
declare(strict_types=1);

const SECTIONS = ['cycle', 'nodes', 'waits', 'http', 'parallel', 'memory', 'faults', 'takeover', 'keys'];
const SECONDS_AT_MOST = ['full' => 600, 'quick' => 60];

[, $mode, $json_file, $folder, $extension, $bare_handler, $memory_folder, $node_benches, $load_before] = $argv;
$chosen = array_intersect(SECTIONS, array_slice($argv, 9) ?: SECTIONS);
$quick = $mode !== 'full';
$smoke = $mode === 'smoke';  // shows that all of it works: no peers that other packages bring, and hardly a round
$targets = [];
$started = microtime(true);

// The processors this run may use.
preg_match('/^Cpus_allowed_list:\s*(\S+)/m', file_get_contents('/proc/self/status'), $found);
$cpus = [];
foreach (explode(',', $found[1]) as $range) {
    [$from, $to] = explode('-', $range) + [1 => $range];
    $cpus = [...$cpus, ...range((int) $from, (int) $to)];
}

foreach (['statistics', 'processes', 'stores', 'peers', 'web', 'load',
    ...array_map(fn($name) => "section_$name", $chosen)] as $part) {
    if (is_file(__DIR__ . "/$part.php")) {
        require __DIR__ . "/$part.php";
    }
}

function progress(string $what): void
{
    $time = sprintf('%4d s  ', (int) (microtime(true) - $GLOBALS['started']));
    fwrite(STDERR, stream_isatty(STDERR) ? "\r\e[K$time$what" : "$time$what\n");
}

// $figure is a summary, null if it was not measured; it is to be at most $limit, or at least. $id names it for
// floors.php.
function target(string $id, string $what, ?array $figure, ?float $limit, bool $at_least = false): void
{
    if ($figure === null) {
        return;
    }
    $value = $figure['median'];
    $met = $limit === null ? null : ($at_least ? $value >= $limit : $value <= $limit);
    $GLOBALS['targets'][] = ['id' => $id, 'what' => $what, 'met' => $met, 'limit' => $limit, 'at_least' => $at_least]
        + $figure;
}

// A figure that is shown among the targets and has none.
function no_target(string $id, string $what, ?array $figure): void
{
    target($id, $what, $figure, null);
}

function show_targets(): void
{
    $count = ['ok' => 0, 'MISSED' => 0, '' => 0];
    foreach ($GLOBALS['targets'] as $target) {
        $verdict = match ($target['met']) { true => 'ok', false => 'MISSED', null => '' };
        ++$count[$verdict];
        $limit = $target['limit'] === null ? ''
            : ($target['at_least'] ? 'at least ' : 'at most  ') . round($target['limit'], 2);
        printf("%-6s %8.2f (%.2f to %.2f)  %-15s  %s\n", $verdict, $target['median'], $target['low'], $target['high'],
            $limit, $target['what']);
    }
    printf("%d targets met, %d missed\n", $count['ok'], $count['MISSED']);
}

function warn_if_busy(): void
{
    if (($load = $GLOBALS['results']['machine']['load_before']) > IDLE_LOAD) {
        fprintf(STDERR, "THE MACHINE WAS NOT IDLE: its load before this run was %.1f. bench/page takes such figures "
            . "only with --busy.\n", $load);
    }
}

function machine(): array
{
    preg_match('/^model name\s*:\s*(.*)$/m', file_get_contents('/proc/cpuinfo'), $cpu);
    $run = fn(string $command) => trim((string) strtok((string) shell_exec("$command 2>&1"), "\n"));
    $packages = ['php8.2-cli', 'php8.2-memcached', 'php8.2-redis', 'php8.2-memcache', 'memcached', 'redis-server',
        'nginx', 'libmemcached11', 'wrk'];
    $versions = [];
    foreach ($packages as $package) {
        $versions[$package] = $run('dpkg-query -W -f \'${Version}\' ' . $package);
    }
    return ['cpu' => $cpu[1] ?? php_uname('m'), 'processors' => count($GLOBALS['cpus']),
        'kernel' => preg_replace('/^(\d+\.\d+).*/', '$1', php_uname('r')),
        'versions' => $versions,
        'revision' => $run('git -C ' . escapeshellarg(dirname(__DIR__, 2)) . ' rev-parse --short HEAD'),
        'load_before' => (float) $GLOBALS['load_before']];
}

pcntl_async_signals(true);
foreach ([SIGINT, SIGTERM, SIGHUP] as $signal) {
    pcntl_signal($signal, fn() => exit(128 + $signal));
}
register_shutdown_function(Process::stopAll(...));

$results = ['format' => FORMAT, 'date' => gmdate('Y-m-d H:i') . ' UTC', 'quick' => $quick, 'machine' => machine()];
warn_if_busy();
foreach ($chosen as $section) {
    $from = microtime(true);
    $results['sections'][$section] = "section_$section"($quick);
    $results['seconds'][$section] = round(microtime(true) - $from, 1);
}
$results['peers'] = array_map(fn(Peer $peer) => $peer->label, peers([0, 0], 0, '', ''));
$results['seconds']['all'] = round(microtime(true) - $started, 1);
if (!$smoke && array_diff(SECTIONS, $chosen) === []) {
    target('run', 'the whole of this run, seconds', summary([$results['seconds']['all']]), SECONDS_AT_MOST[$mode]);
}
$results['targets'] = $targets;
file_put_contents($json_file, json_encode($results, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES) . "\n");
if (stream_isatty(STDERR)) {
    fwrite(STDERR, "\r\e[K");
}
show_targets();
warn_if_busy();
