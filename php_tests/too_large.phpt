--TEST--
A session larger than its node takes: a clear warning, and the record before it stays
--INI--
session.save_handler=clustered
session.use_cookies=0
session.use_strict_mode=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
foreach ([[1024, 512, [2000, 300_000]], [131_072, 16384, [140_000, 2_000_000]]] as [$max, $chunk, $sizes]) {
  $node = new Node(item_size_max($max, $chunk));
  $path = save_path($node);
  ini_set('session.save_path', $path);
  $id = session(null, function (&$data) { $data['text'] = 'small'; });
  foreach ($sizes as $size) {
    session($id, function (&$data) use ($size) { $data['text'] = str_repeat('x', $size); });
    session($id, function ($data) { echo json_encode($data), ' here, '; });
    echo json_encode(seen_elsewhere($id, $path)), " elsewhere\n";
  }
  echo json_encode(counters('too_large')), "\n";
  session($id, function (&$data) { $data['text'] = 'fits'; });
  echo json_encode(seen_elsewhere($id, $path)), "\n";
}
?>
--EXPECTF--

Warning: session_write_close(): a session of 20%d bytes is too large for node m1 (item_size_max 1024 bytes; memcached -I raises it): it was not saved, the one before stays [CS-TOO-LARGE] in %s on line %d

Warning: session_write_close(): Failed to write session data (clustered). Please verify that the current setting of session.save_path is correct (m1=%s) in %s on line %d
{"text":"small"} here, {"text":"small"} elsewhere

Warning: session_write_close(): a session of 300%d bytes is too large for node m1 (item_size_max 1024 bytes; memcached -I raises it): it was not saved, the one before stays [CS-TOO-LARGE] in %s on line %d

Warning: session_write_close(): Failed to write session data (clustered). Please verify that the current setting of session.save_path is correct (m1=%s) in %s on line %d
{"text":"small"} here, {"text":"small"} elsewhere
{"too_large":2}
{"text":"fits"}

Warning: session_write_close(): a session of 140%d bytes is too large for node m1 (item_size_max 131072 bytes; memcached -I raises it): it was not saved, the one before stays [CS-TOO-LARGE] in %s on line %d

Warning: session_write_close(): Failed to write session data (clustered). Please verify that the current setting of session.save_path is correct (m1=%s) in %s on line %d
{"text":"small"} here, {"text":"small"} elsewhere

Warning: session_write_close(): a session of 2000%d bytes is too large for node m1 (item_size_max 131072 bytes; memcached -I raises it): it was not saved, the one before stays [CS-TOO-LARGE] in %s on line %d

Warning: session_write_close(): Failed to write session data (clustered). Please verify that the current setting of session.save_path is correct (m1=%s) in %s on line %d
{"text":"small"} here, {"text":"small"} elsewhere
{"too_large":4}
{"text":"fits"}
