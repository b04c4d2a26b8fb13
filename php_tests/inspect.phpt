--TEST--
clustered_session_inspect(): what each node holds of a session, and its content only if asked for
--INI--
session.save_handler=clustered
session.use_strict_mode=0
clustered_session.copies=2
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$nodes = [new Node(), new Node(), new Node()];
ini_set('session.save_path', save_path(...$nodes));
$holds = fn(string $id) => array_count_values(array_column(clustered_session_inspect($id), 'holds'));
echo json_encode($holds('nobody-has-this')), "\n";

session('inspected', function (&$data) { $data['secret'] = 'word'; });
session('inspected', function (&$data) { $data['n'] = 1; });
session('another', function (&$data) { $data['n'] = 1; });
$all = clustered_session_inspect('inspected');
$counters = counters('node_errors', 'writes');
foreach ($all as $node) {
  if (($node['holds'] === 'session') !== $node['should_hold']) echo 'wrong: ', json_encode($node), "\n";
}
$first = $all[array_key_first($all)];
var_dump($first['version'], $first['lifetime'] === (int) ini_get('session.gc_maxlifetime'), $first['bytes'] > 20,
  $first['owner'] === clustered_session_status()['instance'], str_contains(serialize($all), 'word'));

echo json_encode(array_count_values(array_column(clustered_session_inspect('inspected', true), 'content'))), "\n";

// It has changed nothing: not even a copy here.
session('inspected', function ($data) { var_dump($data); });
var_dump(counters('node_errors', 'writes') === $counters);

session('inspected', fn() => session_destroy());
echo json_encode($holds('inspected')), ' ', json_encode($holds('another')), "\n";

// A node that is gone is told apart from one that holds nothing.
$gone = array_search(true, array_column(clustered_session_inspect('another'), 'should_hold', null));
$names = array_keys(clustered_session_inspect('another'));
$nodes[(int) substr($names[$gone], 1) - 1]->kill();
$node = clustered_session_inspect('another')[$names[$gone]];
echo "$node[holds], ", $node['error'] !== '' ? 'with a reason' : 'no reason', "\n";
echo json_encode(array_count_values(array_column(clustered_session_inspect('another'), 'holds'))), "\n";

foreach (['', "a\nb", str_repeat('x', 300)] as $id) {
  try {
    clustered_session_inspect($id);
  } catch (ValueError $error) {
    echo $error->getMessage(), "\n";
  }
}
ini_set('session.save_path', '');
var_dump(clustered_session_inspect('inspected'));
ini_set('session.save_path', 'm1,,m2');
try {
  clustered_session_inspect('inspected');
} catch (Error $error) {
  echo get_class($error), ': ', strtok($error->getMessage(), ':'), "\n";
}
?>
--EXPECTF--
{"nothing":3}
int(2)
bool(true)
bool(true)
bool(true)
bool(false)
{"secret|s:4:\"word\";n|i:1;":2}
array(2) {
  ["secret"]=>
  string(4) "word"
  ["n"]=>
  int(1)
}
bool(true)
{"end":3} {"session":2,"nothing":1}
unknown, with a reason
{"unknown":1,"session":1,"nothing":1}
clustered_session_inspect(): Argument #1 ($id) must be a session ID
clustered_session_inspect(): Argument #1 ($id) must be a session ID
clustered_session_inspect(): Argument #1 ($id) must be a session ID
array(0) {
}
Error: save_path%A
