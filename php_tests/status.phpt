--TEST--
clustered_session_status(): its keys and types, with nodes and without
--INI--
session.save_handler=clustered
clustered_session.server_id=web-1
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
function shape(array $status): string {
  $shape = [];
  foreach ($status as $name => $value) {
    if ($name === 'counters') {
      foreach ($value as $counter => $n) if (!is_int($n) || $n < 0) echo "$counter is ", gettype($n), "\n";
      $value = count($value) > 20 ? 'counters' : $value;
    }
    $shape[] = "$name: " . (is_array($value) ? '{' . shape($value) . '}' : get_debug_type($value));
  }
  return implode(', ', $shape);
}
$nodes = [new Node(), new Node()];
ini_set('session.save_path', save_path($nodes[0]) . ',m2=' . $nodes[1]->address() . ':7');
$status = clustered_session_status();
echo shape($status), "\n";
var_dump($status['version'] === phpversion('clustered_session'), $status['mode'], $status['server_id']);
var_dump(preg_match('/^[0-9a-f]{16}$/D', $status['instance']),
  $status['instance'] === clustered_session_status()['instance']);
var_dump(array_column($status['nodes'], 'address') === array_map(fn($node) => $node->address(), $nodes));
echo json_encode(array_column($status['nodes'], 'code')), "\n";  // the same in every release
var_dump(array_column($status['nodes'], 'weight'), array_sum($status['counters']));
// The stub file promises the same keys.
$stub = @file_get_contents(__DIR__ . '/../src/php/clustered_session.stub.php');
foreach (['version', 'mode', 'server_id', 'instance', 'nodes', 'alone', 'alone_for_ms', 'counters', 'memory', 'node_table', 'flush', 'warnings', 'repair', 'locks'] as $key) {
  if (!isset($status[$key]) || ($stub && !preg_match("/^ \*   $key: /m", $stub))) echo "$key is missing\n";
}
var_dump(count($status));

session(null, function (&$data) use (&$within) {
  $data['n'] = 1;
  $within = clustered_session_status();
});
$after = clustered_session_status();
var_dump($within['locks']['held'], $after['locks']['held'], $after['memory']['entries']);
['bytes' => $bytes, 'payload_bytes' => $room, 'payload_used' => $used] = $after['memory'];
var_dump(0 < $used && $used < $room && $room < $bytes);
foreach ($after['nodes'] as $name => $node) {
  echo "$name: $node[state], $node[operations] operations, $node[failures] failed\n";
}

// phpinfo() shows the same facts.
ob_start();
phpinfo(INFO_MODULES);
$info = ob_get_clean();
foreach (['Mode => cluster', 'Server => web-1', "m1 => {$nodes[0]->address()} => d925 => up", 'new_sessions => 1',
          'writes => 1', 'clustered_session.copies => 2 => 2', 'Session locks => 0 held, 0 waiting',
          'Local memory => ', 'In huge pages => ', 'Repair => not whole; 0 copies and 0 tombstones are missing'] as $line) {
  if (!str_contains($info, "\n$line")) echo "phpinfo() lacks $line\n";
}
if (str_contains($info, 'Note =>')) echo "phpinfo() has a note\n";
?>
--EXPECT--
version: string, mode: string, server_id: string, instance: string, nodes: {m1: {address: string, code: string, weight: int, state: string, operations: int, failures: int, retry_in_ms: int, health: string, evicted: int}, m2: {address: string, code: string, weight: int, state: string, operations: int, failures: int, retry_in_ms: int, health: string, evicted: int}}, alone: bool, alone_for_ms: int, counters: string, memory: {bytes: int, payload_bytes: int, payload_used: int, entries: int, entries_max: int, unreplicated: int, busy_parts: int}, node_table: {used: int, capacity: int}, flush: {pending: bool, longest_lag_ms: float}, warnings: {}, repair: {whole: bool, missing: {m1: {copies: int, tombstones: int}, m2: {copies: int, tombstones: int}}, refilling: {0: string, 1: string}, unlisted: {}, repaired: {copies: int, tombstones: int}, since: int}, locks: {held: int, waiting: int, capacity: int, longest_wait_ms: float}
bool(true)
string(7) "cluster"
string(5) "web-1"
int(1)
bool(true)
bool(true)
["d925","f684"]
array(2) {
  [0]=>
  int(1)
  [1]=>
  int(7)
}
int(0)
int(14)
int(1)
int(0)
int(1)
bool(true)
m1: up, 1 operations, 0 failed
m2: up, 1 operations, 0 failed
