--TEST--
session_destroy() ends a session everywhere; a session started anew under its ID lives
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
$path = save_path(new Node(), new Node());
ini_set('session.save_path', $path);
$id = session(null, function (&$data) { $data['user'] = 'ada'; });
session_id($id);
session_start();
var_dump(session_destroy(), session_status() === PHP_SESSION_NONE);
echo json_encode(seen_elsewhere($id, $path)), "\n";
session($id, function ($data) { echo json_encode($data), "\n"; }, ['read_and_close' => true]);

session($id, function (&$data) { $data['user'] = 'bob'; });
echo json_encode(seen_elsewhere($id, $path)), "\n";
session($id, function ($data) { echo json_encode($data), "\n"; });

// In one go, destroyed, started and written under the same ID.
session_id($id);
session_start();
session_destroy();
session_id($id);
session_start();
echo json_encode($_SESSION), "\n";
$_SESSION['user'] = 'eve';
session_write_close();
echo json_encode(seen_elsewhere($id, $path)), "\n";

// One that does not exist can be destroyed, one that was not started cannot.
session(null, function () { var_dump(session_destroy()); });
var_dump(session_destroy());
?>
--EXPECTF--
bool(true)
bool(true)
[]
[]
{"user":"bob"}
{"user":"bob"}
[]
{"user":"eve"}
bool(true)

Warning: session_destroy(): Trying to destroy uninitialized session in %s on line %d
bool(false)
