--TEST--
Nodes that refuse connections: sessions go on here, the log says so once, when it happened, and later the nodes have them
--INI--
session.save_handler=clustered
clustered_session.local_trust=0
clustered_session.retry_interval=1ms
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
$said = function (string $log) {
  // A connection that was open when the node died may say so itself.
  $causes = '/(cannot connect: Connection refused|closed the connection(: Connection reset by peer)?)/';
  // The first one to fail has still seen the other one stand in for it, if they do not fail at once.
  $stands_in = '/; other nodes stand in for workers without a connection until it takes new ones/';
  // What the background has seen while no request came says its own time.
  $time = '/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: /';
  $lines = explode("\n", preg_replace(['/127.0.0.1:\d+/', '/ after \d+ ms/', $causes, $stands_in, $time],
    ['ADDRESS', '', 'CAUSE', '', ''], trim($log)));
  sort($lines);
  return implode("\n", $lines) . "\n";
};
$state = fn() => implode(' ', array_column(clustered_session_status()['nodes'], 'state'));
echo $state(), "\n";
$id = session(null, function (&$data) { $data['n'] = 1; });
echo $state(), "\n", logged();

$nodes[0]->kill();
$nodes[1]->kill();
for ($i = 0; $i < 5; ++$i) session($id, function (&$data) { ++$data['n']; });
$new = session(null, function (&$data) { $data['new'] = 1; });
session($new, function ($data) { echo json_encode($data), "\n"; });
$status = clustered_session_status();
echo $state(), ' ', json_encode($status['alone']), "\n", $said(logged());
var_dump($status['memory']['unreplicated'], $status['counters']['unreplicated'] >= 6);

$nodes[0]->start();
$nodes[1]->start();
// The background writes what is left, without a request. If it is the first to find a node, the next request logs it.
var_dump(await(fn() => clustered_session_status()['memory']['unreplicated'] === 0, 'the background'));
session($id, function (&$data) { echo json_encode($data), "\n"; });
echo json_encode(seen_elsewhere($id, $path)), "\n";
echo json_encode(seen_elsewhere($new, $path)), "\n";
$log = '';
await(function () use ($id, &$log) {
  session($id);
  $log .= logged();
  return substr_count($log, 'answers again') >= 2;
}, 'both nodes to be told of');
echo $state(), "\n", $said($log . logged());
?>
--EXPECT--
untried untried
up up
{"new":1}
down down true
clustered_session: no node of session.save_path can be asked: changes exist only on this server until a node answers again, and sessions without a local copy do not start [CS-ALONE]
clustered_session: node m1 (ADDRESS): CAUSE [CS-NODE-CONNECT]
clustered_session: node m2 (ADDRESS): CAUSE [CS-NODE-CONNECT]
int(2)
bool(true)
bool(true)
{"n":6}
{"n":6}
{"new":1}
up up
clustered_session: a node of session.save_path answers again: changes that exist only on this server are written to the nodes now [CS-NOT-ALONE]
clustered_session: node m1 (ADDRESS): answers again [CS-NODE-UP]
clustered_session: node m2 (ADDRESS): answers again [CS-NODE-UP]
