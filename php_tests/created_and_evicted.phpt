--TEST--
A session made, written and started again in one request is whole, also without its local copy
--INI--
session.save_handler=clustered
clustered_session.local_memory=1M
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
ini_set('session.save_path', save_path(new Node(), new Node()));
$id = session(null, function (&$data) { $data['text'] = str_repeat('x', 600_000); });
session($id, function ($data) { var_dump(strlen($data['text'] ?? 'lost')); });
?>
--EXPECT--
int(600000)
