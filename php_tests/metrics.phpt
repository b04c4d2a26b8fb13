--TEST--
clustered_session_metrics(): OpenMetrics text with the numbers of the status, and no session's ID
--INI--
session.save_handler=clustered
session.use_strict_mode=0
clustered_session.server_id=web-1
clustered_session.affinity=balancer
clustered_session.lock_wait=300ms
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
need_functions('pcntl_fork');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
require __DIR__ . '/metrics.inc';
$nodes = [new Node(), new Node()];
ini_set('session.save_path', save_path(...$nodes));
setlocale(LC_ALL, 'de_DE.UTF-8', 'C.UTF-8');  // a decimal comma, where the system has it

// Before anything happened: every family is there, so that rates begin at zero.
$before = parse_metrics(clustered_session_metrics());
$status = clustered_session_status();
foreach ($status['counters'] as $name => $n) {
  if (($before["clustered_session_$name"]['samples']["clustered_session_{$name}_total"] ?? null) !== $n) echo "$name is missing\n";
}
foreach ($before as $name => $family) {
  if (!str_starts_with($name, 'clustered_session_')) echo "$name is no name of ours\n";
  foreach ($family['samples'] as $key => $n) {
    if (preg_match_all('/([a-z]+)="/', $key, $labels) && array_diff($labels[1], ['node', 'reason', 'le', 'version'])) echo "$key\n";
  }
}
var_dump(metric('build_info{version="' . phpversion('clustered_session') . '"}'), metric('pool_nodes'));

for ($i = 0; $i < 3; ++$i) session("a-very-secret-id-$i", function (&$data) { $data['text'] = str_repeat('x', 1000); });
session('a-very-secret-id-0');
$text = clustered_session_metrics();
$after = parse_metrics($text);
var_dump(array_keys($after) === array_keys($before));
var_dump(metric('writes_total', $text), metric('local_hits_total', $text), metric('local_entries', $text));
var_dump(metric('session_size_bytes_count', $text), metric('session_size_bytes_sum', $text) === 3 * strlen('text|s:1000:"";') + 3000,
  metric('session_size_bytes_bucket{le="1024"}', $text), metric('session_size_bytes_bucket{le="512"}', $text));
$status = clustered_session_status();
foreach (['m1', 'm2'] as $node) {
  $operations = $status['nodes'][$node]['operations'];
  var_dump(metric("node_operations_total{node=\"$node\"}", $text) === $operations,
    metric("node_operation_seconds_count{node=\"$node\"}", $text) === $operations, $operations > 0);
}
$memory = $status['memory'];
var_dump([metric('local_memory_used_bytes', $text), metric('local_memory_room_bytes', $text), metric('local_memory_bytes', $text)]
  === [$memory['payload_used'], $memory['payload_bytes'], $memory['bytes']]);
var_dump(str_contains($text, 'secret'), metric('alone', $text), metric('locks_held', $text));

// A request that waits in vain for another one's lock is in the histogram.
[$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$holder = pcntl_fork();
if ($holder === 0) {
  session_id('a-very-secret-id-1');
  session_start();
  fwrite($theirs, "holds\n");
  for (;;) sleep(1);
}
fgets($ours);
@session('a-very-secret-id-1');
var_dump(metric('lock_wait_seconds_count'), metric('lock_wait_seconds_sum') > 0.2, metric('lock_wait_seconds_bucket{le="0.131072"}'),
  metric('lock_timeouts_total'), metric('locks_held'));
exec("kill -s KILL $holder");
pcntl_waitpid($holder, $end);

// A node that is gone says so itself, and why.
$nodes[0]->kill();
for ($i = 0; $i < 3; ++$i) session("another-one-$i", function (&$data) { $data = ['n' => 1]; });
$text = clustered_session_metrics();
var_dump(metric('node_up{node="m1"}', $text), metric('node_up{node="m2"}', $text), metric('node_full{node="m1"}', $text));
$failures = 0;
foreach (parse_metrics($text)['clustered_session_node_failures']['samples'] as $key => $n) {
  if (str_contains($key, 'node="m2"') && $n > 0) echo "$key: $n\n";
  if (preg_match('/node="m1",reason="(refused|closed)"/', $key)) $failures += $n;
}
var_dump($failures === clustered_session_status()['nodes']['m1']['failures'], $failures > 0);

// Pools that cannot be used, and without nodes.
ini_set('session.save_path', 'm1,,m2');
$text = clustered_session_metrics();
var_dump(metric('pool_usable', $text), metric('pool_nodes', $text), metric('writes_total', $text) > 0);
ini_set('session.save_path', '');
var_dump(metric('pool_usable'), metric('pool_nodes'), metric('alone'), metric('node_up{node="m1"}'));
?>
--EXPECT--
int(1)
int(2)
bool(true)
int(3)
int(1)
int(3)
int(3)
bool(true)
int(3)
int(0)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(false)
int(0)
int(0)
int(1)
bool(true)
int(0)
int(1)
int(1)
int(0)
int(1)
int(0)
bool(true)
bool(true)
int(0)
NULL
bool(true)
int(1)
int(0)
int(0)
NULL
