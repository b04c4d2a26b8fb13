--TEST--
A session too large for a server without nodes: a clear warning, and the last one stays
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=0
clustered_session.local_memory=1M
--FILE--
<?php
require __DIR__ . '/support.inc';
$id = session(null, function (&$data) { $data['text'] = 'small'; });
session($id, function (&$data) { $data['text'] = str_repeat('x', 600_000); });
session($id, function ($data) { echo json_encode($data), "\n"; });
?>
--EXPECTF--

Warning: session_write_close(): a session of 600017 bytes is too large for clustered_session.local_memory (at most %d bytes), and there is no node to hold it: it was not saved, the one before stays [CS-TOO-LARGE] in %s on line %d

Warning: session_write_close(): Failed to write session data (clustered). Please verify that the current setting of session.save_path is correct () in %s on line %d
{"text":"small"}
