--TEST--
share/status.php: its colours can be read in light and dark, tables scroll by the keyboard, and what servers say is escaped
--SKIPIF--
<?php
if (!is_file(__DIR__ . '/../share/status.php')) die('skip no share/status.php');
?>
--FILE--
<?php
$_SERVER['REMOTE_ADDR'] = '203.0.113.1';  // who may read nothing: only its functions are wanted
ob_start();
require __DIR__ . '/../share/status.php';
ob_end_clean();
use function ClusteredSession\StatusPage\{findings, server_html};

// WCAG's contrast of two colours.
function contrast(string $one, string $other): float {
  $light = array_map(function (string $colour): float {
    $digits = strlen($colour) === 4 ? preg_replace('/[0-9a-f]/', '$0$0', $colour) : $colour;
    [$r, $g, $b] = array_map(fn($pair) => hexdec($pair) / 255, str_split(substr($digits, 1), 2));
    $linear = fn($c) => $c <= 0.03928 ? $c / 12.92 : (($c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * $linear($r) + 0.7152 * $linear($g) + 0.0722 * $linear($b);
  }, [$one, $other]);
  return (max($light) + 0.05) / (min($light) + 0.05);
}
preg_match_all('/:root \{([^}]*)\}/', file_get_contents(__DIR__ . '/../share/status.php'), $schemes);
foreach ($schemes[1] as $i => $scheme) {
  preg_match_all('/--(\w+): (#[0-9a-f]{3,6})/', $scheme, $found);
  $colours = array_combine($found[1], $found[2]);
  foreach (['text', 'soft', 'ok', 'warning', 'critical'] as $name) {
    foreach (['page', 'box'] as $behind) {
      $ratio = contrast($colours[$name], $colours[$behind]);
      if ($ratio < 4.5) printf("scheme %d: %s on %s has %.1f\n", $i, $name, $behind, $ratio);
    }
  }
  foreach (['a', 'b', 'c', 'd'] as $name) {  // bars, which are in words as well
    if (contrast($colours[$name], $colours['box']) < 3) printf("scheme %d: --%s has %.1f\n", $i, $name, contrast($colours[$name], $colours['box']));
  }
}
echo count($schemes[1]), " schemes\n";

$evil = '<script>alert(1)</script>';
$node = ['address' => $evil, 'state' => 'down', 'operations' => 1, 'failures' => 1, 'evicted' => 7, 'used_bytes' => 1 << 20, 'limit_bytes' => 64 << 20];
$status = ['version' => $evil, 'mode' => 'cluster', 'alone' => false, 'nodes' => [$evil => $node, 'm2' => ['state' => 'up'] + array_diff_key($node, ['limit_bytes' => 1])],
  'warnings' => [['time' => 1796040000, 'times' => 3, 'text' => "no answer $evil [CS-NODE-DOWN]"], 'nonsense'], 'counters' => [], 'memory' => [], 'repair' => ['whole' => false, 'missing' => ['m2' => ['copies' => 40, 'tombstones' => 2]]]];
$html = server_html($evil, ['status' => $status, 'php' => $evil, 'findings' => findings($status)]);
var_dump(str_contains($html, '<script'), substr_count($html, 'tabindex="0" role="region" aria-label='), preg_match_all('/<div class="wide"(?! tabindex)/', $html));
preg_match_all('~<td>(1 MB of 64 MB|not told)<td>7~', $html, $memory);
echo implode(', ', $memory[1]), "\n", preg_match('~<td>[0-9:]{8} UTC<td>3<td>no answer .*\[CS-NODE-DOWN\]~', $html), "\n";
foreach (findings($status) as [$how, $what]) echo "$how: ", str_replace($evil, 'NODE', $what), "\n";
echo findings(['alone' => true, 'alone_for_ms' => 4000] + $status)[1][1] === "Node $evil ($evil) does not answer." ? "alone\n" : "wrong\n";
?>
--EXPECT--
2 schemes
bool(false)
int(2)
int(0)
1 MB of 64 MB, not told
1
warning: Node NODE (NODE) does not answer; other nodes stand in.
warning: Node NODE (NODE) has thrown away 7 items for want of memory: users were logged out.
warning: Node m2 (NODE) lacks 42 records, which are being brought there.
warning: Node m2 (NODE) has thrown away 7 items for want of memory: users were logged out. It tells no number: this is what a sample has shown.
alone
