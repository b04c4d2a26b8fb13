<?php
// Medians, spreads and ratios. Used by the sections and by bench/page.
declare(strict_types=1);

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

// The ratio of the medians; its spread is that of the ratios round by round, in which what slows the machine for a while
// slows both.
function ratio(array $above, array $below): array
{
    $ratios = [];
    foreach ($above as $round => $value) {
        $ratios[] = $value / $below[$round];
    }
    return ['median' => round(median($above) / median($below), 3)] + summary($ratios);
}
