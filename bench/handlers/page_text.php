<?php
// The page of the benchmarks while it is made: its text, tables and plots. Used by bench/page and its parts.
declare(strict_types=1);

require __DIR__ . '/chart.php';

$page = '';
$plots = [];  // file name => SVG

function say(string ...$lines): void
{
    $GLOBALS['page'] .= implode("\n", $lines) . "\n";
}

// A paragraph of these pieces.
function prose(string ...$pieces): void
{
    say('', wordwrap(implode(' ', $pieces), 120));
}

// The median at the end of a path of names, or null if it was not measured: at('cycle', 'loopback', ...).
function at(string ...$path): ?float
{
    $value = $GLOBALS['results']['sections'];
    foreach ($path as $name) {
        $value = $value[$name] ?? null;
    }
    return is_array($value) ? $value['median'] : $value;
}

function is_ours(string $name): bool
{
    return str_starts_with($name, 'ours') || str_starts_with($name, 'behind');
}

// A median with its spread.
function figure(?array $summary): string
{
    if ($summary === null) {
        return '';
    }
    $text = Chart::number($summary['median']);
    $spread = Chart::number($summary['low']) . ' to ' . Chart::number($summary['high']);
    return $summary['low'] === $summary['high'] ? $text : "$text ($spread)";
}

function size(int $bytes): string
{
    return match (true) {
        $bytes < 1024 => "$bytes B",
        $bytes === 512000 => '500 KB',
        default => round($bytes / 1024) . ' KB',
    };
}

function draw(string $name, Chart $chart, string $text): void
{
    if (!$chart->isEmpty()) {
        $GLOBALS['plots']["$name.svg"] = $chart->svg();
        say('', "![$text](benchmarks/$name.svg)");
    }
}

// Of columns and rows that say nothing, as this run has not measured it, nothing is shown.
/** @param array<string[]> $rows */
function table(array $head, array $rows): void
{
    $says = fn(array $cells) => array_filter($cells, fn(string $cell) => $cell !== '') !== [];
    $rows = array_filter($rows, fn(array $row) => $says(array_slice($row, 1)));
    $columns = array_filter(array_keys($head), fn(int $column) => $says(array_column($rows, $column)));
    if ($rows === []) {
        return;
    }
    $shown = fn(array $row) => '| ' . implode(' | ', array_intersect_key($row, array_flip($columns))) . ' |';
    say('', $shown($head), '|' . str_repeat('---|', count($columns)), ...array_map($shown, $rows));
}
