--TEST--
session_regenerate_id(true) ends the old session on its own nodes, wherever the request goes on
--INI--
session.save_handler=clustered
session.use_strict_mode=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$small = item_size_max(32768, 16384);
$path = save_path(new Node($small), new Node($small));
$other = save_path(new Node(), new Node());
// How the successor ends, and whether the old session has to be alive after that.
$ends = [
  'is written' => ['$_SESSION["v"] = 2; session_write_close();', false],
  'is written by the request\'s end' => ['$_SESSION["v"] = 2;', false],
  'stays empty' => ['$_SESSION = []; session_write_close();', false],
  'is aborted' => ['session_abort();', false],
  'is destroyed' => ['session_destroy();', false],
  'is regenerated' => ['session_regenerate_id(true); session_write_close();', false],
  'is regenerated without an end' => ['session_regenerate_id(); session_write_close();', false],
  'is too large' => ['$_SESSION["v"] = str_repeat("x", 100_000); @session_write_close();', true],
  'is too large and regenerated' => ['$_SESSION["v"] = str_repeat("x", 100_000); @session_regenerate_id();', true],
];
foreach ($ends as $what => [$end, $alive]) {
  foreach ([false, true] as $goes_on) {
    ini_set('session.save_path', $path);
    $old = session(null, function (&$data) { $data['user'] = 'ada'; });
    $code = 'session_id($argv[1]); session_start(); session_regenerate_id(true); ' . $end;
    if ($goes_on) {
      $code .= 'if (session_status() === PHP_SESSION_ACTIVE) session_write_close(); session_id("in-other-nodes");
        ini_set("session.save_path", $argv[2]); session_start(); $_SESSION["x"] = 1; session_write_close();';
    }
    run_php($code, [$old, $other], ['session.save_path' => $path]);
    $seen = seen_elsewhere($old, $path);
    if ($seen !== ($alive ? ['user' => 'ada'] : [])) {
      echo "$what", $goes_on ? ', then another save_path' : '', ': ', json_encode($seen), "\n";
    }
  }
}
echo json_encode(seen_elsewhere('in-other-nodes', $other)), "\n";
?>
--EXPECT--
{"x":1}
