--TEST--
Sessions of PHP's files handler are taken over once, and written through; what is over there is over here
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=1
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$folder = sys_get_temp_dir() . '/clustered_session_old_' . bin2hex(random_bytes(8));
mkdir($folder);
register_shutdown_function(static fn() => array_map('unlink', glob("$folder/*")) && rmdir($folder));
$nodes = save_path(new Node(), new Node());
// A request of a server that still has the files handler, or of one that has changed.
function old(?string $id, string $code): string {
  $ini = ['session.save_handler' => 'files', 'session.save_path' => $GLOBALS['folder']];
  return run_php('session_id($argv[1]); session_start(); ' . $code . '; ob_end_clean(); echo session_id();', [$id ?? ''], $ini);
}
const REPORT = '; $c = clustered_session_status()["counters"]; ob_end_clean();
  echo json_encode($_SESSION), session_id() === $argv[1] ? " kept" : " new",
    " migrated $c[migrated], missed $c[migration_misses], errors $c[migration_errors]\n";';
function changed(string $id, string $code = '', array $ini = []): string {
  return run_php('session_id($argv[1]); session_start();' . $code . '; session_write_close();' . REPORT, [$id],
    $ini + ['session.save_path' => $GLOBALS['nodes'], 'clustered_session.migrate_from' => "files:$GLOBALS[folder]"]);
}
$id = old(null, '$_SESSION["n"] = 1');
echo 'changed: ', changed($id, '$_SESSION["n"]++');
echo 'a server that has no copy: ', changed($id);
$id = old(null, '$_SESSION["n"] = 1');
echo 'unchanged: ', changed($id), 'later: ', changed($id);
$id = old(null, '$_SESSION["n"] = 1');
echo 'only read: ', run_php('session_id($argv[1]); session_start(["read_and_close" => true]);' . REPORT, [$id],
  ['session.save_path' => $nodes, 'clustered_session.migrate_from' => "files:$folder"]), 'later: ', changed($id);
$id = old(null, '$_SESSION["n"] = 1');
echo 'emptied: ', changed($id, '$_SESSION = []'), 'later: ', changed($id);
echo 'without strict mode: ', changed(old(null, '$_SESSION["n"] = 1'), '', ['session.use_strict_mode' => '0']);
echo 'no server with nodes: ', changed(old(null, '$_SESSION["n"] = 1'), '$_SESSION["n"]++', ['session.save_path' => '']);

$id = old(null, '$_SESSION["n"] = 1');
echo 'its file is not kept locked: ', run_php('session_id($argv[1]); session_start();
  $free = flock(fopen($argv[2], "r"), LOCK_EX | LOCK_NB); ob_end_clean(); echo $_SESSION["n"], json_encode($free), "\n";',
  [$id, "$folder/sess_$id"], ['session.save_path' => $nodes, 'clustered_session.migrate_from' => "files:$folder"]);

echo 'the status: ', run_php('$when = fn() => clustered_session_status()["migration"]["last_migrated"];
  session_id(strrev($argv[1])); session_start(); $before = $when(); session_write_close(); session_id($argv[1]); session_start();
  $migration = clustered_session_status()["migration"]; $migration["last_migrated"] = abs($when() - time()) < 60; ob_end_clean();
  echo $before, " ", json_encode($migration), "\n";', [old(null, '$_SESSION["n"] = 1')],
  ['session.save_path' => $nodes, 'clustered_session.migrate_from' => "files:$folder"]);

echo "-- over\n";
$id = old(null, '$_SESSION["n"] = 1');
touch("$folder/sess_$id", time() - 1441);
echo 'its lifetime is over: ', changed($id);
$id = old(null, '$_SESSION["n"] = 1');
echo 'logged out: ', changed($id, 'session_destroy(); $_SESSION = []');
echo file_exists("$folder/sess_$id") ? "still there\n" : "gone there\n", 'later: ', changed($id);
$id = old(null, '$_SESSION["n"] = 1');
echo 'logged in: ', changed($id, 'session_regenerate_id(true); $_SESSION["n"]++');
echo file_exists("$folder/sess_$id") ? "still there\n" : "gone there\n", 'the old ID: ', changed($id);

$id = 'a' . substr(old(null, ''), 1);
mkdir("$folder/a");
foreach ([0, 1441] as $age) {
  file_put_contents("$folder/a/sess_$id", 'n|i:1;');
  touch("$folder/a/sess_$id", time() - $age);
  echo "in a folder of the folder, $age s old: ", changed($id, 'session_destroy(); session_id($argv[1])', ['session.save_path' => '', 'clustered_session.migrate_from' => "files:1;$folder"]);
}
@unlink("$folder/a/sess_$id");
rmdir("$folder/a");

echo "-- unknown\n";
$unknown = str_repeat('0123456789abcdef', 2);
echo changed($unknown, 'session_write_close(); session_id($argv[1]); session_start()');
echo count(glob("$folder/sess_$unknown")), " files\n";
echo changed($unknown, '$_SESSION["n"] = 7', ['session.use_strict_mode' => '0']);

$before = count(glob("$folder/sess_*"));
changed('', '', ['clustered_session.migrate_to' => "files:$folder"]);
echo 'empty sessions that are new are mirrored: ', count(glob("$folder/sess_*")) - $before, "\n";

foreach (['0', '1'] as $strict) {
  file_put_contents("$folder/sess_abc.server1", 'n|i:1;');
  echo "an ID that is none here, strict mode $strict: ", changed('abc.server1', '$_SESSION["active"] = session_status() === PHP_SESSION_ACTIVE', ['session.use_strict_mode' => $strict]);
}

echo "-- settings\n";
foreach (['files', 'clustered:x', 'user:x', 'nothing:secret'] as $value) {
  $said = run_php('ob_end_clean(); session_id("abcdefghijklmnopqrstuvwxyz"); var_dump(session_start());', [],
    ['session.save_path' => '', 'clustered_session.migrate_from' => $value, 'display_errors' => '1', 'html_errors' => '0']);
  echo "$value: ", trim($said), "\n";
}
$said = run_php('ob_end_clean(); var_dump(session_start());', [], ['session.save_path' => '', 'display_errors' => '1', 'html_errors' => '0',
  'clustered_session.migrate_from' => "files:$folder", 'clustered_session.migrate_shared' => 'on']);
echo 'shared with nobody: ', trim(preg_replace('/ in Command.*/', '', $said)), "\n";
echo logged();
?>
--EXPECTF--
changed: {"n":2} kept migrated 1, missed 0, errors 0
a server that has no copy: {"n":2} kept migrated 0, missed 0, errors 0
unchanged: {"n":1} kept migrated 1, missed 0, errors 0
later: {"n":1} kept migrated 0, missed 0, errors 0
only read: {"n":1} kept migrated 1, missed 0, errors 0
later: {"n":1} kept migrated 0, missed 0, errors 0
emptied: [] kept migrated 1, missed 0, errors 0
later: [] kept migrated 0, missed 0, errors 0
without strict mode: {"n":1} kept migrated 1, missed 0, errors 0
no server with nodes: {"n":2} kept migrated 1, missed 0, errors 0
its file is not kept locked: 1true
the status: 0 {"from":"files","to":"","shared":false,"fails":false,"last_migrated":true,"useless":false}
-- over
its lifetime is over: [] new migrated 0, missed 0, errors 0
logged out: [] new migrated 1, missed 0, errors 0
gone there
later: [] new migrated 0, missed 0, errors 0
logged in: {"n":2} new migrated 1, missed 0, errors 0
gone there
the old ID: [] new migrated 0, missed 0, errors 0
in a folder of the folder, 0 s old: {"n":1} kept migrated 1, missed 0, errors 0
in a folder of the folder, 1441 s old: [] kept migrated 0, missed 0, errors 0
-- unknown
[] new migrated 0, missed 1, errors 0
0 files
{"n":7} kept migrated 0, missed 1, errors 0
empty sessions that are new are mirrored: 0
an ID that is none here, strict mode 0: {"active":true} new migrated 0, missed 0, errors 0
an ID that is none here, strict mode 1: {"active":true} new migrated 0, missed 0, errors 0
-- settings
files: bool(true)
clustered:x: bool(true)
user:x: bool(true)
nothing:secret: Warning: session_start(): clustered_session.migrate_from: PHP has no save handler "nothing": load the extension that registers it [CS-MIGRATE-SETTING] in %s on line %d

Warning: session_start(): Failed to initialize storage module: clustered (path: ) in %s on line %d
bool(false)
shared with nobody: Warning: session_start(): clustered_session.migrate_shared needs migrate_from and migrate_to with the same value [CS-MIGRATE-SETTING]

Warning: session_start(): Failed to initialize storage module: clustered (path: )
bool(false)
clustered_session: clustered_session.migrate_from: invalid value: must be a save handler, a colon and its save_path, such as "files:/var/lib/php/sessions"; using none [CS-SETTING]
clustered_session: clustered_session.migrate_from: invalid value: must be another save handler than clustered; using none [CS-SETTING]
clustered_session: clustered_session.migrate_from: invalid value: must be a save handler that an extension registers, not user; using none [CS-SETTING]
