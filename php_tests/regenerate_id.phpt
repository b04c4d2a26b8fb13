--TEST--
session_regenerate_id(): the new ID has the data, the old one has it only if it was not to be destroyed
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
$node = new Node();
$path = save_path($node, new Node());
ini_set('session.save_path', $path);
foreach ([false, true] as $destroy) {
  session_id('');
  session_start();
  $_SESSION['user'] = 'ada';
  $old = session_id();
  session_write_close();
  session_start();
  $_SESSION['role'] = 'admin';
  var_dump(session_regenerate_id($destroy));
  $new = session_id();
  $_SESSION['fresh'] = 1;
  var_dump($old !== $new);
  session_write_close();

  foreach ([$old, $new] as $id) {
    session($id, function ($data) { echo json_encode($data), ' here, '; }, ['read_and_close' => true]);
    echo json_encode(seen_elsewhere($id, $path)), " elsewhere\n";
  }
}
?>
--EXPECT--
bool(true)
bool(true)
{"user":"ada","role":"admin"} here, {"user":"ada","role":"admin"} elsewhere
{"user":"ada","role":"admin","fresh":1} here, {"user":"ada","role":"admin","fresh":1} elsewhere
bool(true)
bool(true)
[] here, [] elsewhere
{"user":"ada","role":"admin","fresh":1} here, {"user":"ada","role":"admin","fresh":1} elsewhere
