--TEST--
Two servers change one session at once: merged by key, or resolved by clustered_session.on_conflict
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
$path = save_path(new Node(), new Node());
ini_set('session.save_path', $path);
$other = 'session_id($argv[1]); session_start(); $_SESSION["theirs"] = 1;
  $_SESSION["both"] = "theirs"; unset($_SESSION["gone"]);';
foreach (['merge', 'mine', 'theirs'] as $rule) {
  ini_set('clustered_session.on_conflict', $rule);
  $id = session("conflict-$rule", function (&$data) { $data = ['kept' => 1, 'both' => 'base', 'gone' => 1]; });
  $grown = counted(fn() => session($id, function (&$data) use ($id, $other, $path) {
    run_php($other, [$id], ['session.save_path' => $path]);
    $data['mine'] = 1;
    $data['both'] = 'mine';
  }));
  $seen = seen_elsewhere($id, $path);
  ksort($seen);
  echo "$rule: ", json_encode($seen), ' ',
    json_encode(array_intersect_key($grown, ['conflicts' => 0, 'merges' => 0, 'merge_collisions' => 0])), "\n";
  session($id, function ($data) use ($seen) {
    ksort($data);
    echo $data === $seen ? "the same here\n" : json_encode($data) . "\n";
  });
}
// Destroyed there while it is changed here: it stays destroyed.
$id = session("destroyed-meanwhile", function (&$data) { $data["n"] = 1; });
session($id, function (&$data) use ($id, $path) {
  run_php('session_id($argv[1]); session_start(); session_destroy();', [$id], ['session.save_path' => $path]);
  $data['n'] = 2;
});
echo json_encode(seen_elsewhere($id, $path)), "\n";
session($id, function ($data) { echo json_encode($data), "\n"; });
?>
--EXPECT--
merge: {"both":"mine","kept":1,"mine":1,"theirs":1} {"conflicts":1,"merges":1,"merge_collisions":1}
the same here
mine: {"both":"mine","gone":1,"kept":1,"mine":1} {"conflicts":1}
the same here
theirs: {"both":"theirs","kept":1,"theirs":1} {"conflicts":1}
the same here
[]
[]
