--TEST--
A script that walks through a thousand save_paths: no session fails for it, and other pools go on to share what they know
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
$node = new Node();
$server = new WebServer(<<<'END'
<?php
$failed = 0;
$walk = isset($_GET['walk']) ? range(1, 1000) : [''];
foreach ($walk as $i) {
  ini_set('session.save_path', "m$i=$_GET[node]");
  session_id("walk$i-m$i");
  session_start() or ++$failed;
  session_write_close();
}
$status = clustered_session_status();
$node = current($status['nodes']);
echo json_encode([$failed, $node['health'], $node['state'], getmypid(), $status['node_table']]);
END, 2, ['error_log' => '/dev/null']);
$ask = fn(string $query = '') => json_decode($server->ask("node={$node->address()}&$query")->body);

[$failed, $health, $state, , $table] = $ask();
echo "before: $failed failed, $health, $state, ", $table->used === 2 ? 'a node and its save_path' : "$table->used", "\n";
[$failed, , , , $table] = $ask('walk');
echo "walk: $failed failed, ", $table->used <= $table->capacity ? 'bounded' : $table->used, "\n";
// Its places come free as nobody uses them. By then both workers know the node together.
$shared = [];
await(function () use ($ask, &$shared, &$lost) {
  [$failed, $health, $state, $pid] = $ask();
  $lost += $failed + ($state !== 'up' ? 1 : 0);
  if ($health === 'shared') $shared[$pid] = true;
  return count($shared) === 2;
}, 'both workers to share');
echo "after: $lost failed\n";
?>
--EXPECT--
before: 0 failed, shared, up, a node and its save_path
walk: 0 failed, bounded
after: 0 failed
