<?php
// Medians, spreads and ratios. Used by the sections and by bench/page.
declare(strict_types=1);

// Of the JSON: raised when figures come to be measured in another way or in another place of it.
const FORMAT = 2;
const HTTP_RATE_SHARE = 0.6;  // at which latencies are measured: of what the slowest handler can do
const IDLE_LOAD = 0.5;  // more than this before a run, and its figures say little

function quantile(array $values, float $share): float
{
    sort($values);
    $at = $share * (count($values) - 1);
    $low = (int) floor($at);
    $high = min($low + 1, count($values) - 1);
    return $values[$low] + ($values[$high] - $values[$low]) * ($at - $low);
}

function median(array $values): float
{
    return quantile($values, 0.5);
}

// What is kept of a figure: its median and the quarter of the rounds below and above.
function summary(array $values): array
{
    return ['median' => round(median($values), 3), 'low' => round(quantile($values, 0.25), 3),
        'high' => round(quantile($values, 0.75), 3), 'rounds' => count($values)];
}

// The ratios round by round, in which what slows the machine for a while slows both: their median and their quarters.
// Null if either was not measured in this run.
function ratio(?array $above, ?array $below): ?array
{
    if ($above === null || $below === null) {
        return null;
    }
    $ratios = [];
    foreach ($above as $round => $value) {
        $ratios[] = $value / $below[$round];
    }
    return summary($ratios);
}
