--TEST--
A session is on both nodes, and another server takes it over with either of them
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
$nodes = [new Node(), new Node()];
$path = save_path(...$nodes);
ini_set('session.save_path', $path);
$id = session(null, function (&$data) { $data['user'] = 'ada'; });
var_dump(preg_match('/^[0-9a-f]{32}$/D', $id), in_array(node_of($id), ['m1', 'm2']));

// One item on each, under the same key, which does not give the ID away.
var_dump(count($nodes[0]->keys()), $nodes[0]->keys() === $nodes[1]->keys());
var_dump(str_contains($nodes[0]->keys()[0], substr($id, 0, 8)));
var_dump($nodes[0]->item($nodes[0]->keys()[0]) === $nodes[1]->item($nodes[1]->keys()[0]));

echo json_encode(seen_elsewhere($id, $path)), "\n";
$nodes[0]->kill();
echo json_encode(seen_elsewhere($id, $path)), "\n";
$nodes[0]->start();
$nodes[1]->kill();
// The emptied node knows nothing: an empty session, as far as that server can know.
echo json_encode(seen_elsewhere($id, save_path($nodes[0]))), "\n";
?>
--EXPECT--
int(1)
bool(true)
int(1)
bool(true)
bool(false)
bool(true)
{"user":"ada"}
{"user":"ada"}
[]
