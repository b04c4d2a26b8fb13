--TEST--
An unchanged session is written to the nodes again before their records expire, and stays alive here
--INI--
session.save_handler=clustered
clustered_session.affinity=balancer
session.gc_maxlifetime=100
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
$id = session(null, function (&$data) { $data['n'] = 1; });
echo json_encode(counted(fn() => session($id))), "\n";
// The lifetime grows: the records on the nodes would end before the session does.
ini_set('session.gc_maxlifetime', 1000);
echo json_encode(counted(fn() => session($id))), "\n";
echo json_encode(counted(fn() => session($id))), "\n";
echo json_encode(seen_elsewhere($id, $path)), "\n";
?>
--EXPECT--
{"local_hits":1}
{"local_hits":1,"refreshes":1,"node_waits":1}
{"local_hits":1}
{"n":1}
