--TEST--
Nodes that go away between a request's read and its write: the change is kept here
--INI--
session.save_handler=clustered
clustered_session.flush_timeout=10ms
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$nodes = [new Node(), new Node()];
$path = save_path(...$nodes);
ini_set('session.save_path', $path);
$id = session(null, function (&$data) { $data['n'] = 1; });
session($id, function (&$data) use ($nodes) {
  $nodes[0]->kill();
  $data['n'] = 2;
});
echo json_encode(counters('unreplicated', 'under_replicated')), "\n";
echo json_encode(seen_elsewhere($id, $path)), "\n";
session($id, function (&$data) use ($nodes) {
  $nodes[1]->kill();
  $data['n'] = 3;
});
echo json_encode(counters('unreplicated', 'under_replicated')), "\n";
session($id, function ($data) { echo json_encode($data), "\n"; });
?>
--EXPECTF--
{"unreplicated":0,"under_replicated":1}
{"n":2}
{"unreplicated":1,"under_replicated":1}
{"n":3}
%Aclustered_session: unwritten sessions: 1; no node took them within clustered_session.flush_timeout (10ms), and they are lost if this server stops now [CS-UNWRITTEN]
