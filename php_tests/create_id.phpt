--TEST--
session_create_id() in and out of a session, with and without a prefix, names a node and can be used
--INI--
session.save_handler=clustered
session.use_strict_mode=1
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

// Out of a session PHP asks the handler without an open: the ID names no node, and works.
$outside = session_create_id('out-');
var_dump(preg_match('/^out-[0-9a-zA-Z,-]{22,}$/D', $outside));

session_start();
$inside = session_create_id();
$prefixed = session_create_id('user-7-');
var_dump(preg_match('/^[0-9a-f]{32}$/D', $inside), preg_match('/^user-7-[0-9a-f]{32}$/D', $prefixed));
var_dump(in_array(node_of($inside), ['m1', 'm2']), in_array(node_of($prefixed), ['m1', 'm2']));
var_dump(session_create_id('no/slash'));
session_write_close();

// A prefixed ID is used as PHP's manual shows it.
ini_set('session.use_strict_mode', 0);
foreach ([$outside, $inside, $prefixed] as $id) {
  session($id, function (&$data) use ($id) { $data['id'] = $id; });
  var_dump(session_id() === $id, seen_elsewhere($id, $path)['id'] === $id);
}
// Two calls never give the same ID.
session_start();
var_dump(session_create_id() === session_create_id());
session_write_close();
?>
--EXPECTF--
int(1)
int(1)
int(1)
bool(true)
bool(true)

Warning: session_create_id(): Prefix cannot contain special characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed in %s on line %d
bool(false)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(false)
