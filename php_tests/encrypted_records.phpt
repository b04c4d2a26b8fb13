--TEST--
Encrypted records: two pools, two keys that rotate, servers that are changed over, and records that others have made
--INI--
session.save_handler=clustered
session.use_strict_mode=0
session.use_cookies=0
clustered_session.local_trust=0
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
function key_file(string ...$lines): string {
  $file = tempnam(sys_get_temp_dir(), 'clustered_session_keys');
  register_shutdown_function(static fn() => @unlink($file));
  chmod($file, 0600);
  file_put_contents($file, implode("\n", $lines));
  return $file;
}
$one = clustered_session_new_key('one');
$two = clustered_session_new_key('two');
// A server of its own with this key file: what it finds under the ID, and what it writes there.
function serve(string $id, ?string $write, string $file, string $encryption = 'require', array $ini = []): string {
  $code = 'session_id($argv[1]); $ok = session_start(); $_SESSION += []; ob_end_clean();
    echo $ok ? json_encode($_SESSION) : "failed", " forged: ", clustered_session_status()["counters"]["forged_records"];
    if ($ok && $argv[2] !== "") $_SESSION["user"] = $argv[2];';
  return run_php($code, [$id, (string) $write], $ini + ['session.save_path' => $GLOBALS['path'],
    'clustered_session.key_file' => $file, 'clustered_session.encryption' => $encryption, 'display_errors' => '0',
    'log_errors' => '0']);
}
function items_show(string $text): bool {
  foreach ($GLOBALS['nodes'] as $node) {
    foreach ($node->keys() as $key) if (str_contains($node->item($key), $text)) return true;
  }
  return false;
}
$id = str_repeat('ab', 16);

echo "-- roll-out --\n";
echo serve($id, 'ada', ''), "\n";
var_dump(items_show('ada'));
echo serve($id, 'bob', key_file($one), 'read'), "\n";
var_dump(items_show('bob'));
echo serve($id, 'cyd', key_file($one), 'write'), "\n";
var_dump(items_show('cyd'), items_show('bob'));
echo serve($id, null, key_file($one), 'read'), "\n";
echo serve($id, null, ''), "\n";
echo serve($id, 'cyd again', key_file($one), 'write'), "\n";
echo serve($id, 'dan', key_file($one)), "\n";

echo "-- rotation --\n";
echo serve($id, 'eve', key_file($one, $two)), "\n";
echo serve($id, 'fay', key_file($two, $one)), "\n";
echo serve($id, 'gus', key_file($one, $two)), "\n";
echo serve($id, 'hal', key_file($two, $one)), "\n";
echo serve($id, null, key_file($two)), "\n";

echo "-- forged --\n";
[$key] = $nodes[0]->keys();
$good = $nodes[0]->item($key);
$lie = function (string $bytes) use ($nodes, $key) { foreach ($nodes as $node) $node->put($key, $bytes); };
$lie(substr_replace($good, chr(ord($good[60]) ^ 1), 60, 1));
echo serve($id, null, key_file($two)), "\n";
$lie('garbage');
echo serve($id, null, key_file($two)), "\n";
$nodes[1]->put($key, $good);
echo serve($id, null, key_file($two)), "\n";
$lie($good);
echo serve($id, null, key_file($one)), "\n";  // of a key that it does not have
$lie($good);
// Another session's record under this one's key.
serve(str_repeat('cd', 16), 'admin', key_file($two));
$other = array_values(array_diff($nodes[0]->keys(), [$key]))[0];
$lie($nodes[0]->item($other));
echo serve($id, null, key_file($two)), "\n";
// A plain record that was planted, and the log: one line for each node.
foreach ($nodes as $node) $node->flush();
serve($id, 'planted', '');
$file = key_file($two);
logged();
echo serve($id, null, $file, 'require', ['log_errors' => '1']), "\n";
$lines = explode("\n", trim(preg_replace('/\(127[^)]*\)/', '(ADDRESS)', logged())));
sort($lines);
echo implode("\n", $lines), "\n";

echo "-- two pools --\n";
$mine = ['clustered_session.prefix' => 'cs:'];
$theirs = ['clustered_session.prefix' => 'other:'];
foreach ($nodes as $node) $node->flush();
echo serve($id, 'mine', $file, 'require', $mine), ' ', serve($id, 'theirs', '', 'require', $theirs), "\n";
echo serve($id, null, $file, 'require', $mine), ' ', serve($id, null, '', 'require', $theirs), "\n";
?>
--EXPECT--
-- roll-out --
[] forged: 0
bool(true)
{"user":"ada"} forged: 0
bool(true)
{"user":"bob"} forged: 0
bool(false)
bool(false)
{"user":"cyd"} forged: 0
{"user":"cyd"} forged: 0
{"user":"cyd"} forged: 0
{"user":"cyd again"} forged: 0
-- rotation --
{"user":"dan"} forged: 0
{"user":"eve"} forged: 0
{"user":"fay"} forged: 0
{"user":"gus"} forged: 0
{"user":"hal"} forged: 0
-- forged --
[] forged: 2
[] forged: 2
{"user":"hal"} forged: 1
[] forged: 2
[] forged: 2
[] forged: 2
clustered_session: node m1 (ADDRESS): a record that no key of clustered_session.key_file has written (not encrypted) counts as missing; others of this node are only counted, in forged_records [CS-RECORD-FORGED]
clustered_session: node m2 (ADDRESS): a record that no key of clustered_session.key_file has written (not encrypted) counts as missing; others of this node are only counted, in forged_records [CS-RECORD-FORGED]
-- two pools --
[] forged: 0 [] forged: 0
{"user":"mine"} forged: 0 {"user":"theirs"} forged: 0
