<?php
// What monitoring costs on a server with many local entries, in processor time: a scrape, the status, the page, and
// verify. By hand:
//   php -n -d extension=<module> -d clustered_session.local_memory=256M bench/monitoring_cost.php [sessions]
// It starts two memcached nodes on loopback and ends them. Prints a line per figure.
declare(strict_types=1);

$count = (int) ($argv[1] ?? 100000);
ini_set('memory_limit', '1G');
$ports = $nodes = [];
foreach (['m1', 'm2'] as $name) {
    $socket = stream_socket_server('tcp://127.0.0.1:0');
    $port = (int) substr(strrchr(stream_socket_get_name($socket, false), ':'), 1);
    fclose($socket);
    $nodes[] = proc_open(['memcached', '-u', 'nobody', '-U', '0', '-l', '127.0.0.1', '-p', (string) $port, '-m', '1024'], [], $pipes);
    $ports[] = "$name=127.0.0.1:$port";
}
register_shutdown_function(fn () => array_map('proc_terminate', $nodes));
usleep(500_000);
ob_start();
ini_set('session.save_handler', 'clustered');
ini_set('session.save_path', implode(',', $ports));
ini_set('session.use_cookies', '0');
ini_set('session.use_strict_mode', '0');
ini_set('session.cache_limiter', '');

function tell(string $text): void
{
    fwrite(STDOUT, "$text\n");
}

// Processor time of this process so far, in microseconds: what else the machine does is not in it.
function processor_us(): float
{
    $usage = getrusage();
    return 1e6 * ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) + $usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec'];
}

// The mean of many runs, in microseconds of processor time.
function cost(callable $what, int $runs = 500): float
{
    $began = processor_us();
    for ($i = 0; $i < $runs; $i++) {
        $what();
    }
    return (processor_us() - $began) / $runs;
}

for ($i = 0; $i < $count; $i++) {
    session_id("monitoring-cost-$i");
    session_start();
    $_SESSION['text'] = str_repeat('x', 1000);
    session_write_close();
}
tell(sprintf('%d entries of 1 KB', clustered_session_status()['memory']['entries']));
tell(sprintf('scrape: %.0f us, %.1f KB', cost('clustered_session_metrics'), strlen(clustered_session_metrics()) / 1024));
tell(sprintf('status: %.0f us', cost('clustered_session_status')));

$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
$page = dirname(__DIR__) . '/share/status.php';
$once = fn () => require $page;
ob_start();
$once();
$html = ob_get_clean();
tell(sprintf('page: %.1f KB, %.1f KB compressed; the file is %.1f KB', strlen($html) / 1024, strlen(gzencode($html)) / 1024, filesize($page) / 1024));
$part = function (): string {
    return \ClusteredSession\StatusPage\servers_html(['a' => \ClusteredSession\StatusPage\own_report()]);
};
tell(sprintf('its refresh: %.0f us, %.1f KB', cost($part), strlen($part()) / 1024));

foreach ([[true, 'verify'], [false, 'top']] as [$asks, $name]) {
    $began = hrtime(true);
    $used = processor_us();
    $cursor = $seen = $right = 0;
    $longest = 0.0;
    do {
        $from = hrtime(true);
        $done = clustered_session_examine($cursor, 1000, $asks);
        $longest = max($longest, (hrtime(true) - $from) / 1e6);
        $seen += $done['sessions'];
        $right += array_sum(array_column($done['nodes'], 'right'));
        $cursor = $done['next'];
    } while ($cursor !== 0);
    tell(sprintf('%s: %d sessions, %d records right, %.2f s in all, of which %.2f s of processor time; %.1f ms for 1000 at most',
        $name, $seen, $right, (hrtime(true) - $began) / 1e9, (processor_us() - $used) / 1e6, $longest));
}
