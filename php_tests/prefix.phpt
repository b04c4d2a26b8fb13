--TEST--
Servers with another prefix never see each other's sessions on the same nodes
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
session('one-id-for-all', function (&$data) { $data['of'] = 'cs:'; });
foreach (['app1:', 'app2:', ''] as $prefix) {
  echo json_encode(seen_elsewhere('one-id-for-all', $path, ['clustered_session.prefix' => $prefix])), "\n";
  run_php('session_id("one-id-for-all"); session_start(); $_SESSION["of"] = $argv[1];', [$prefix],
    ['session.save_path' => $path, 'clustered_session.prefix' => $prefix]);
}
foreach (['app1:', 'app2:', '', 'cs:'] as $prefix) {
  echo json_encode(seen_elsewhere('one-id-for-all', $path, ['clustered_session.prefix' => $prefix])), "\n";
}
// Nor do pools of one server whose save_path differs.
ini_set('session.save_path', save_path(new Node()));
session('one-id-for-all', function ($data) { echo json_encode($data), "\n"; });
ini_set('session.save_path', '');
session('one-id-for-all', function ($data) { echo json_encode($data), "\n"; });
ini_set('session.save_path', $path);
session('one-id-for-all', function ($data) { echo json_encode($data), "\n"; });
?>
--EXPECT--
[]
[]
[]
{"of":"app1:"}
{"of":"app2:"}
{"of":""}
{"of":"cs:"}
[]
[]
{"of":"cs:"}
