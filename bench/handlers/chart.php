<?php
// Draws horizontal bars as SVG that reads on light and dark pages: groups of bars, one colour per series, a whisker for
// the spread, on a linear or logarithmic axis that says its unit. Used by bench/page.
declare(strict_types=1);

const CHART_WIDTH = 760;
const LABEL_WIDTH = 262;
const VALUE_WIDTH = 74;
const BAR_HEIGHT = 13;
const CHART_STYLE = <<<'END'
      text { font: 12px system-ui, sans-serif; fill: #24292f; }
      .title { font-weight: 600; font-size: 14px; }
      .axis, .value { font-size: 11px; fill: #57606a; }
      .ours { font-weight: 600; }
      .page { fill: #ffffff; }
      .grid { stroke: #d0d7de; stroke-width: 1; }
      .whisker { stroke: #57606a; stroke-width: 1.5; }
      .s0 { fill: #2f81f7; } .s1 { fill: #e0823d; } .s2 { fill: #3fa65a; }
      @media (prefers-color-scheme: dark) {
        text { fill: #e6edf3; }
        .axis, .value { fill: #9da7b3; }
        .page { fill: #0d1117; }
        .grid { stroke: #30363d; }
        .whisker { stroke: #9da7b3; }
      }
    END;

final class Chart
{
    /** @var array<int, array{string, bool, array<?array>}> label, whether ours, a summary per series */
    private array $groups = [];

    /** @param string[] $series names of the bars of a group */
    public function __construct(private string $title, private string $unit, private array $series = [''],
        private bool $log = false)
    {
    }

    public function add(string $label, array $summaries, bool $ours = false): void
    {
        if (array_filter($summaries)) {
            $this->groups[] = [$label, $ours, $summaries];
        }
    }

    public function isEmpty(): bool
    {
        return $this->groups === [];
    }

    public function svg(): string
    {
        [$from, $to, $ticks] = $this->axis();
        $width = CHART_WIDTH - LABEL_WIDTH - VALUE_WIDTH;
        $at = fn(float $value) => LABEL_WIDTH + $width * max(0, min(1, $this->log
            ? (log10(max($value, 1e-9)) - log10($from)) / (log10($to) - log10($from))
                : ($value - $from) / ($to - $from)));
        $y = 58;
        $bars = '';
        foreach ($this->groups as [$label, $ours, $summaries]) {
            $height = count($summaries) * (BAR_HEIGHT + 2);
            $bars .= self::text(LABEL_WIDTH - 8, $y + $height / 2 + 3, $label, $ours ? 'ours' : '', 'end');
            foreach ($summaries as $number => $summary) {
                if ($summary !== null) {
                    $bars .= $this->bar($number, $summary, $y, $at);
                }
                $y += BAR_HEIGHT + 2;
            }
            $y += 7;
        }
        $grid = '';
        foreach ($ticks as $tick) {
            $x = round($at($tick), 1);
            $grid .= "  <line class=\"grid\" x1=\"$x\" y1=\"50\" x2=\"$x\" y2=\"$y\"/>\n"
                . self::text($x, $y + 15, self::number($tick), 'axis', 'middle');
        }
        $unit = $this->unit . ($this->log ? ', logarithmic' : '');
        return '<svg xmlns="http://www.w3.org/2000/svg" '
            . sprintf('viewBox="0 0 %1$d %2$d" width="%1$d" height="%2$d" role="img">', CHART_WIDTH, $y + 42) . "\n"
            . '  <title>' . htmlspecialchars($this->title) . "</title>\n  <style>\n" . CHART_STYLE . "\n  </style>\n"
            . "  <rect class=\"page\" width=\"100%\" height=\"100%\"/>\n"
            . self::text(12, 22, $this->title, 'title', 'start')
            . $this->legend() . $grid . $bars
            . self::text(LABEL_WIDTH + $width / 2, $y + 33, $unit, 'axis', 'middle') . "</svg>\n";
    }

    private function bar(int $number, array $summary, float $y, callable $at): string
    {
        $x = $at(0.0);
        $end = $at($summary['median']);
        $middle = $y + BAR_HEIGHT / 2;
        $bar = sprintf("  <rect class=\"s%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>\n", $number, $x, $y,
            max(1, $end - $x), BAR_HEIGHT);
        $high = $at($summary['high']);
        if ($high - $at($summary['low']) > 1) {
            $bar .= sprintf("  <line class=\"whisker\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                $at($summary['low']), $middle, $high, $middle);
        }
        return $bar . self::text(max($end, $high) + 5, $middle + 4, self::number($summary['median']), 'value', 'start');
    }

    private function legend(): string
    {
        if (count($this->series) < 2) {
            return '';
        }
        $legend = '';
        $x = 12;
        foreach ($this->series as $number => $name) {
            $legend .= "  <rect class=\"s$number\" x=\"$x\" y=\"32\" width=\"11\" height=\"11\"/>\n"
                . self::text($x + 16, 42, $name, 'axis', 'start');
            $x += 30 + 7 * strlen($name);
        }
        return $legend;
    }

    // From, to, and where lines are.
    private function axis(): array
    {
        $values = [];
        foreach ($this->groups as [, , $summaries]) {
            foreach (array_filter($summaries) as $summary) {
                array_push($values, $summary['median'], $summary['high']);
            }
        }
        $least = max(1e-3, min($values));
        $most = max(max($values), 1e-3);
        $ticks = [];
        if ($this->log) {
            $from = 10 ** floor(log10($least) - 0.05);
            $to = 10 ** ceil(log10($most));
            for ($tick = $from; $tick <= $to * 1.001; $tick *= 10) {
                $ticks[] = $tick;
            }
            return [$from, $to, $ticks];
        }
        $step = 10 ** floor(log10($most));
        $step = $most / $step < 2 ? $step / 5 : ($most / $step < 5 ? $step / 2 : $step);
        $to = ceil($most / $step) * $step;
        for ($tick = 0; $tick <= $to * 1.001; $tick += $step) {
            $ticks[] = $tick;
        }
        return [0, $to, $ticks];
    }

    public static function number(float $value): string
    {
        $text = match (true) {
            $value >= 100 || $value == round($value) => number_format($value),
            $value >= 10 => number_format($value, 1),
            default => number_format($value, 2),
        };
        return $text;
    }

    private static function text(float $x, float $y, string $text, string $class, string $anchor): string
    {
        return sprintf("  <text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", $class, $x, $y,
            $anchor, htmlspecialchars($text));
    }
}
