<?php
// One process of bench/run_migration: prints the median time of a session from start to close, in microseconds.
//   php migration.php fill|use|unknown|repeated|write <sessions> <file of IDs>
// fill makes sessions in the handler that php.ini names. use asks for each of them, then once more, and prints both
// medians and how often the second round waited for a node. The others need no such sessions.
declare(strict_types=1);

[, $what, $count, $file] = $argv;
$count = (int) $count;

/** @param list<float> $times */
function median(array $times): float
{
    sort($times);
    return round($times[intdiv(count($times), 2)], 1);
}

function measured(string $id, ?callable $change = null): float
{
    session_id($id);
    $begin = hrtime(true);
    session_start();
    if ($change !== null) {
        $change();
    }
    session_write_close();
    return (hrtime(true) - $begin) / 1e3;
}

function waits(): int
{
    return clustered_session_status()['counters']['node_waits'];
}

$fill = function () {
    $_SESSION['data'] = str_repeat('x', 4000);
};
$ids = $what === 'use' ? file($file, FILE_IGNORE_NEW_LINES) : [];
if ($what === 'fill') {
    for ($i = 0; $i < $count; $i++) {
        measured(session_create_id(), $fill);
        $ids[] = session_id();
    }
    file_put_contents($file, implode("\n", $ids));
    exit;
}
ini_set('session.save_handler', 'clustered');
measured('', $fill);
if ($what === 'use') {
    $first = array_map(fn ($id) => measured($id), $ids);
    $before = waits();
    $second = array_map(fn ($id) => measured($id), $ids);
    printf("%s %s %d\n", median($first), median($second), waits() - $before);
    exit;
}
$times = [];
if ($what === 'write') {
    measured('', $fill);
    $id = session_id();
}
for ($i = 0; $i < $count; $i++) {
    $times[] = match ($what) {
        'unknown' => measured(bin2hex(random_bytes(16))),
        'repeated' => measured('0123456789abcdef0123456789abcdef'),
        'write' => measured($id, function () use ($i) {
            $_SESSION['n'] = $i;
        }),
    };
}
echo median($times), "\n";
