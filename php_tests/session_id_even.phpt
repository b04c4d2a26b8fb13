--TEST--
New session IDs name 1 to 64 nodes evenly by weight, whatever session.sid_bits_per_character is
--INI--
session.save_handler=clustered
session.use_cookies=0
error_reporting=E_ALL & ~E_DEPRECATED
--FILE--
<?php
require __DIR__ . '/support.inc';
// No node is asked for an ID, so none has to run. One run in a million finds an even choice uneven.
const IDS = 6400;
foreach ([4, 5, 6] as $bits) {
  ini_set('session.sid_bits_per_character', $bits);
  foreach ([1, 2, 3, 16, 25, 64] as $count) {
    $path = $weights = [];
    for ($i = 1; $i <= $count; ++$i) {
      $weights["m$i"] = $bits === 5 ? 1 + $i % 4 : 1;
      $path[] = "m$i=127.0.0.1:$i:{$weights["m$i"]}";
    }
    ini_set('session.save_path', implode(',', $path));
    $named = array_fill_keys(array_keys($weights), 0);
    $codes = node_codes();
    if (count($codes) !== $count) echo "two nodes have one code: choose other names for this test\n";
    session_id('');
    session_start();
    for ($i = 0; $i < IDS; ++$i) {
      if ($i % 2) session_regenerate_id();
      ++$named[$codes[substr($i % 2 ? session_id() : session_create_id(), -4)]];
    }
    session_write_close();
    $chi_square = 0;
    foreach ($named as $name => $n) {
      $e = IDS * $weights[$name] / array_sum($weights);
      $chi_square += ($n - $e) ** 2 / $e;
    }
    // For so many degrees of freedom, with a chance of one in 10^8 (Wilson and Hilferty).
    $degrees = max($count - 1, 1);
    if ($chi_square > $degrees * (1 - 2 / (9 * $degrees) + 5.61 * sqrt(2 / (9 * $degrees))) ** 3) {
      echo "$bits bits, $count nodes: ", json_encode($named), "\n";
    }
  }
}
echo "even\n";
?>
--EXPECT--
even
