--TEST--
session_start() with read_and_close reads, holds no lock and writes nothing
--INI--
session.save_handler=clustered
clustered_session.affinity=balancer
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$node = new Node();
ini_set('session.save_path', save_path($node));
$id = session(null, function (&$data) { $data['n'] = 1; });
session_id($id);
echo json_encode(counted(function () {
  var_dump(session_start(['read_and_close' => true]));
  var_dump(session_status() === PHP_SESSION_NONE, $_SESSION['n'], clustered_session_status()['locks']['held']);
  $_SESSION['n'] = 2;
})), "\n";
session($id, function (&$data) { var_dump($data['n']); });
?>
--EXPECT--
bool(true)
bool(true)
int(1)
int(0)
{"local_hits":1}
int(1)
