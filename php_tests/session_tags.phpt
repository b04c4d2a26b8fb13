--TEST--
IDs with another node's code, and IDs as earlier releases made them, are sessions like others
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
$nodes = [new Node(), new Node(), new Node()];
$path = save_path(...$nodes);
ini_set('session.save_path', $path);
$id = session(null, function (&$data) { $data['n'] = 1; });
$random = substr($id, 0, -4);
foreach (['-', 'beef', "{$random}beef", "$random-", "$random-m9", "$random-m1-m2", "-$random", "$random-" . str_repeat('x', 17),
          "$random,m1", $random] as $other) {
  session($other, function (&$data) use ($other) {
    if ($data) echo "$other shows another session\n";
    $data['id'] = $other;
  });
  $seen = seen_elsewhere($other, $path);
  if ($seen !== ['id' => $other]) echo "$other: ", json_encode($seen), "\n";
}
// The same ID but for the node's code is another session.
foreach (node_codes() as $code => $name) {
  if ($name !== node_of($id)) session($random . $code, function ($data) { echo json_encode($data), "\n"; });
}
// What an earlier release has made names its node as it did.
foreach (['m1', 'm2', 'm3'] as $i => $name) {
  session("$random-$name", function (&$data) use ($name) { $data['of'] = $name; }, ['lazy_write' => 0]);
  $alone = seen_elsewhere("$random-$name", "$name=" . $nodes[$i]->address(), ['clustered_session.copies' => '1']);
  if ($alone !== ['of' => $name]) echo "$name does not hold its session\n";
}
session($id, function ($data) { echo json_encode($data), "\n"; });
// A node that left: the session's other copy is found.
foreach ([0, 1, 2] as $left) {
  $others = array_diff_key($nodes, [$left => 0]);
  $path = implode(',', array_map(fn($i) => 'm' . $i + 1 . '=' . $nodes[$i]->address(), array_keys($others)));
  echo json_encode(seen_elsewhere($id, $path)), "\n";
}
?>
--EXPECT--
[]
[]
{"n":1}
{"n":1}
{"n":1}
{"n":1}
