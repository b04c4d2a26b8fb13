--TEST--
session_regenerate_id(true) on the server that takes over: the old ID is dead everywhere, also with its node down
--INI--
session.save_handler=clustered
session.use_strict_mode=1
clustered_session.retry_interval=100ms
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$page = <<<'END'
  <?php
  if (!session_start()) exit('failed');
  if (isset($_GET['login'])) session_regenerate_id(true);
  foreach ($_GET as $key => $value) $_SESSION[$key] = $value;
  echo json_encode($_SESSION);
  END;

// What a node has, once it lists that many items: records, and tombstones of destroyed sessions.
function held(Node $node, int $items): string {
  $keys = await(fn() => count($keys = $node->keys()) >= $items ? $keys : null, "$items items");
  $held = array_map(fn($key) => ord($node->item($key)[5]) === 1 ? 'tombstone' : 'record', $keys);
  sort($held);
  return implode(' and ', $held);
}

foreach ([false, true] as $node_down) {
  $nodes = ['m1' => new Node(), 'm2' => new Node()];
  $ini = ['session.save_path' => save_path(...array_values($nodes)), 'clustered_session.repair_rate' => '0',
    'clustered_session.news_interval' => '0'];
  [$a, $b] = [new WebServer($page, 1, $ini), new WebServer($page, 1, $ini)];
  $cookies = $a->ask('cart=tea')->cookies;
  $old = $cookies['PHPSESSID'];
  ini_set('session.save_path', $ini['session.save_path']);
  $first = $nodes[node_of($old)];
  $second = $nodes[node_of($old) === 'm1' ? 'm2' : 'm1'];
  if ($node_down) $first->kill();
  $a->kill();
  $answer = $b->ask('login=ann', $cookies);
  $cookies = $answer->cookies + $cookies;
  echo $answer->body, $cookies['PHPSESSID'] !== $old ? ' under a new ID' : ' under the old ID', "\n";
  if ($node_down) $first->start();
  $a = new WebServer($page, 1, $ini);
  foreach ([$a, $b] as $server) {
    $visitor = $server->ask('', ['PHPSESSID' => $old]);
    echo 'old ID: ', $visitor->body, ($visitor->cookies['PHPSESSID'] ?? $old) !== $old ? ", another ID\n" : "\n";
  }
  // Who asked for the old ID has told the node that was down of the end. The first of these gives it the session.
  foreach ([$a, $b] as $server) echo 'new ID: ', $server->ask('', $cookies)->body, "\n";
  echo held($first, 2), '; ', held($second, 2), "\n";
}
?>
--EXPECT--
{"cart":"tea","login":"ann"} under a new ID
old ID: [], another ID
old ID: [], another ID
new ID: {"cart":"tea","login":"ann"}
new ID: {"cart":"tea","login":"ann"}
record and tombstone; record and tombstone
{"cart":"tea","login":"ann"} under a new ID
old ID: [], another ID
old ID: [], another ID
new ID: {"cart":"tea","login":"ann"}
new ID: {"cart":"tea","login":"ann"}
record and tombstone; record and tombstone
