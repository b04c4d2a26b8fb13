--TEST--
A session that is not here while no node can be asked: session_start() fails, and no empty session takes its place
--INI--
session.save_handler=clustered
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$node = new Node();
$path = save_path($node, free_port());
ini_set('session.save_path', $path);
$id = run_php('session_start(); $_SESSION["n"] = 1; echo session_id();', [], ['session.save_path' => $path]);
$node->kill();
foreach ([0, 1] as $strict) {
  ini_set('session.use_strict_mode', $strict);
  session_id($id);
  $_SESSION = ['left' => 'alone'];
  var_dump(session_start(), session_status() === PHP_SESSION_NONE, session_id() === $id || session_id() === '');
  var_dump(clustered_session_status()['memory']['entries'], clustered_session_status()['locks']['held']);
}
?>
--EXPECTF--

Warning: session_start(): no node that may hold this session can be asked (m%d at 127.0.0.1:%d and 1 more): check that memcached runs there; no empty session was started in its place [CS-NO-NODE] in %s on line %d

Warning: session_start(): Failed to read session data: clustered (path: m1=%s) in %s on line %d
bool(false)
bool(true)
bool(true)
int(0)
int(0)

Warning: session_start(): no node that may hold this session can be asked (m%d at 127.0.0.1:%d and 1 more): check that memcached runs there; no empty session was started in its place [CS-NO-NODE] in %s on line %d

Warning: session_start(): Failed to read session data: clustered (path: m1=%s) in %s on line %d
bool(false)
bool(true)
bool(true)
int(0)
int(0)
