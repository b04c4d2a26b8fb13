--TEST--
Strict mode knows what the nodes know, and costs no wait more
--INI--
session.save_handler=clustered
session.use_cookies=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$path = save_path(new Node(), new Node());
// Made by another server, which is gone.
$destroy = 'session_id($argv[1]); session_start(); session_destroy();';
$create = 'session_start(); $_SESSION["n"] = 1; echo session_id();';
$ini = ['session.save_path' => $path, 'session.use_strict_mode' => '0'];
ini_set('session.save_path', $path);
foreach ([0, 1] as $strict) {
  $known = run_php($create, [], $ini);
  $destroyed = run_php($create, [], $ini);
  run_php($destroy, [$destroyed], $ini);
  ini_set('session.use_strict_mode', $strict);
  foreach (['known' => $known, 'destroyed' => $destroyed, 'unknown' => "unknown-to-all-until-now-$strict-m1"]
           as $what => $id) {
    $waits = waits(function () use (&$kept, $id) {
      session_id($id);
      session_start();
      $kept = session_id() === $id ? 'kept' : 'replaced';
    });
    echo "strict $strict, $what: ", json_encode($_SESSION), " $kept, $waits wait\n";
    $waits = waits(function () { session_write_close(); });
    echo "  to close it: $waits\n";
  }
}
?>
--EXPECT--
strict 0, known: {"n":1} kept, 1 wait
  to close it: 1
strict 0, destroyed: [] kept, 1 wait
  to close it: 0
strict 0, unknown: [] kept, 1 wait
  to close it: 0
strict 1, known: {"n":1} kept, 1 wait
  to close it: 1
strict 1, destroyed: [] replaced, 1 wait
  to close it: 0
strict 1, unknown: [] replaced, 1 wait
  to close it: 0
