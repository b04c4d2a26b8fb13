<?php
// Reads what bench/run_local has measured and prints the ratios beside their targets. Of each benchmark the median of
// the repetitions counts, in processor time: what another program takes from the machine meanwhile is not in it.
[, $folder] = $argv;
$times = $counters = [];
foreach (json_decode(file_get_contents("$folder/local_store.json"), true)['benchmarks'] as $run) {
    if (($run['aggregate_name'] ?? '') === 'median') {
        $name = $run['run_name'];
        $times[$name] = $run['cpu_time'];
        $counters[$name] = $run;
    }
}
$php = json_decode(file_get_contents("$folder/local_fetch.json"), true)['nanoseconds'];
$met = $missed = 0;

// $value is to be at most $target, or at least if it is a share that should be kept.
function target(string $what, ?float $value, float $target, bool $at_least = false): void
{
    global $met, $missed;
    if ($value === null) {
        return;  // not measured in this run
    }
    $good = $at_least ? $value >= $target : $value <= $target;
    $good ? $met++ : $missed++;
    printf("%-6s %-74s %6.2f (%s %.2f)\n", $good ? 'met' : 'MISSED', $what, $value, $at_least ? 'at least' : 'at most', $target);
}

function ratio(array $of, string $above, string $below): ?float
{
    return isset($of[$above], $of[$below]) ? $of[$above] / $of[$below] : null;
}

echo "\n";
target('lookup and copy of 4 KB, one of 1000 sessions / bare memcpy under a mutex',
    ratio($times, 'Lookup/1000/4096', 'BareMemcpy/1000/4096'), 3);
target('the same session again and again, 4 KB / bare memcpy under a mutex',
    ratio($times, 'Lookup/1/4096', 'BareMemcpy/1/4096'), 3);
target('1000 sessions in use, 200 bytes, in a store of 1,000,000 / of 1000',
    ratio($times, 'LookupInUse/1000000/200', 'LookupInUse/1000/200'), 2);
target('1000 sessions in use, 4 KB, in a store of 1,000,000 / of 1000',
    ratio($times, 'LookupInUse/1000000/4096', 'LookupInUse/1000/4096'), 2);
// When all of a million are in use, the processor's caches and its address tables miss, with bare memory as well.
target('any of 1,000,000 of 4 KB / bare memcpy of any of as many',
    ratio($times, 'Lookup/1000000/4096', 'BareMemcpy/1000000/4096'), 2);
target('8 processes / 2 processes, lookups per second together',
    ratio(array_column($counters, 'per_second', 'run_name'), 'TogetherLookups/8/iterations:1/manual_time',
        'TogetherLookups/2/iterations:1/manual_time'), 0.85, true);
target('8 processes / 2 processes, with one write in ten',
    ratio(array_column($counters, 'per_second', 'run_name'), 'TogetherMixed/8/iterations:1/manual_time',
        'TogetherMixed/2/iterations:1/manual_time'), 0.85, true);
target('fetch of 4 KB from PHP, one of 1000 / apcu_fetch', ratio($php, 'local_store_fetch/1000', 'apcu_fetch/1000'), 1);
target('fetch of 4 KB from PHP, the same again and again / apcu_fetch', ratio($php, 'local_store_fetch/1', 'apcu_fetch/1'), 1);
if (isset($counters['HitRatio/iterations:1'])) {
    $hits = $counters['HitRatio/iterations:1'];
    target('hit ratio where 9 sessions in 10 are used once / plain LRU', $hits['store'] / $hits['plain_lru'], 1, true);
    printf("\nHit ratio: %.1f%%; plain LRU: %.1f%%\n", 100 * $hits['store'], 100 * $hits['plain_lru']);
}
$rows = [];
foreach ($counters as $name => $run) {
    if (preg_match('#^Overhead/(\d+)/#', $name, $match)) {
        $rows[(int) $match[1]] = $run;
    }
}
if ($rows !== []) {
    ksort($rows);
    echo "\n| payload | entries in 64M | bytes beside it | of these, beyond 128 of metadata |\n|---|---|---|---|\n";
    foreach ($rows as $size => $run) {
        $waste = $size > 0 ? sprintf('%.1f%%', 100 * ($run['beside_payload'] - 128) / $size) : '';
        printf("| %s | %s | %.0f | %s |\n", number_format($size), number_format($run['entries']), $run['beside_payload'], $waste);
        $worst = max($worst ?? 0, $size > 0 ? 100 * ($run['beside_payload'] - 128) / $size : 0);
    }
    target('bytes beyond 128 of metadata, at worst, percent of the payload', $worst, 15);
}
echo "\nFor comparison, beside what bare memory does with so many places:\n";
foreach ([['BareMemcpy/1000000/4096', 'BareMemcpy/1000/4096'], ['BareMemcpy/1000000/200', 'BareMemcpy/1000/200'],
    ['Lookup/1000000/4096', 'Lookup/1000/4096'], ['Lookup/1000000/200', 'Lookup/1000/200']] as [$above, $below]) {
    if (($value = ratio($times, $above, $below)) !== null) {
        printf("%s / %s: %.2f\n", $above, $below, $value);
    }
}
printf("PHP, nanoseconds: %s\n", json_encode($php));
printf("\n%d met, %d missed\n", $met, $missed);
exit($missed > 0 ? 1 : 0);
