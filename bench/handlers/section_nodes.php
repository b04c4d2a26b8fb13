<?php
// What one operation on a node costs beside a bare call of libmemcached, and how exactly timeouts and the retry
// interval are kept whatever a node does: the core's own benchmarks (bench/node_operations_bench.cc,
// node_timeouts_bench.cc), which start their own memcached.
declare(strict_types=1);

function section_nodes(bool $quick): array
{
    return ['operations' => node_operations($quick), 'timeouts' => node_timeouts($quick)];
}

function node_operations(bool $quick): array
{
    progress('one operation on a node');
    $file = "$GLOBALS[folder]/node_operations.json";
    $filter = $quick ? 'unix:0/bytes:4096/' : 'unix:0/|unix:1/bytes:4096/';
    $process = new Process('node_operations', ["$GLOBALS[node_benches]/node_operations_bench",
        "--benchmark_filter=$filter", '--benchmark_repetitions=' . ($quick ? 5 : 9),
        '--benchmark_enable_random_interleaving=true', "--benchmark_out=$file", '--benchmark_out_format=json',
        '--benchmark_display_aggregates_only=true']);
    $process->finish(120);
    $rounds = [];
    foreach (json_decode(file_get_contents($file), true, 512, JSON_THROW_ON_ERROR)['benchmarks'] as $run) {
        if ($run['run_type'] === 'iteration' && preg_match('~unix:(\d)/bytes:(\d+)/~', $run['name'], $found)) {
            $where = ($found[1] === '1' ? 'unix' : 'tcp') . "/$found[2]";
            foreach (['get', 'set', 'cas', 'cas+gets', 'read', 'write', 'read/get', 'write/set', 'write/cas',
                'write/cas+gets'] as $column) {
                $rounds[$where][$column][] = $run[$column];
            }
        }
    }
    ksort($rounds, SORT_NATURAL);
    $result = array_map(fn(array $columns) => array_map('summary', $columns), $rounds);
    target('nodes/read', 'one operation: a read of 4096 bytes / a bare libmemcached get',
        $result['tcp/4096']['read/get'], 1.15);
    target('nodes/write', 'one operation: a conditional write of 4096 bytes, its outcome known / a bare libmemcached '
        . 'set', $result['tcp/4096']['write/set'], 1.15);
    no_target('nodes/write_cas', 'one operation: the same / a bare libmemcached cas', $result['tcp/4096']['write/cas']);
    return $result;
}

function node_timeouts(bool $quick): array
{
    $process = new Process('node_timeouts', ["$GLOBALS[node_benches]/node_timeouts_bench", $quick ? '3' : '15', 'json'],
        php_cpu());
    $rows = [];
    foreach ($process->jsonLines() as $row) {
        progress("a node that $row[node]");
        $rows[] = $row;
    }
    $process->finish();
    $is_interval = fn(array $row) => str_contains($row['node'], 'retry interval');
    $worst = fn(array $rows) => summary([max(array_column($rows, 'most'))]);
    target('nodes/timeouts', 'connect_timeout and operation_timeout, whatever the node does: worst excess, ms',
        $worst(array_filter($rows, fn(array $row) => !$is_interval($row))), 20);
    target('nodes/interval', 'retry_interval: worst excess, ms', $worst(array_filter($rows, $is_interval)), 20);
    return $rows;
}
