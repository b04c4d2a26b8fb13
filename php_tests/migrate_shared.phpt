--TEST--
clustered_session.migrate_shared: servers with the old handler and with clustered see each other's updates, ends and locks
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
$old = ['session.save_handler' => 'files', 'session.save_path' => $folder];
$new = ['session.save_path' => save_path(new Node(), new Node()), 'clustered_session.migrate_from' => "files:$folder",
  'clustered_session.migrate_to' => "files:$folder", 'clustered_session.migrate_shared' => 'on'];
// Each child is another server.
function ask(string $id, array $ini, string $code = ''): string {
  return run_php('session_id($argv[1]); session_start(); $seen = json_encode($_SESSION);' . $code . ';
    if (session_status() === PHP_SESSION_ACTIVE) session_write_close(); ob_end_clean(); echo $seen;', [$id], $ini);
}
function in_old(string $id): string {
  return json_encode(@file_get_contents("$GLOBALS[folder]/sess_$id"));
}
function begin(): string {
  $id = bin2hex(random_bytes(16));
  file_put_contents("$GLOBALS[folder]/sess_$id", 'n|i:1;');
  return $id;
}
const MORE = '$_SESSION["n"]++';

echo "-- updates\n";
$id = begin();
foreach ([$new, $new, $old, $new, $old, $old, $new] as $on) echo $on === $old ? 'old ' : 'new ', ask($id, $on, MORE), "\n";

echo "-- logged out on the old handler, then on clustered\n";
ask($id, $old, 'session_destroy()');
echo ask($id, $new), ' ', in_old($id), ' ', ask($id, ['clustered_session.migrate_shared' => 'off'] + $new), "\n";
$id = begin();
ask($id, $new, MORE);
ask($id, $new, 'session_destroy()');
echo ask($id, $old), ' ', in_old($id), ' ', ask($id, $new), "\n";

echo "-- emptied, then filled anew\n";
$id = begin();
foreach ([$new, $old] as $on) echo ask($id, $new, '$_SESSION = []'), ' ', ask($id, $new), ' ', ask($id, $on, '$_SESSION["n"] = 3'), ' ', ask($id, $new), "\n";

echo "-- one waits for the other\n";
$hold = 'session_id($argv[1]); session_start(); ob_end_clean(); echo "has it\n"; flush();
  while (!file_exists($argv[2])) usleep(1000); $_SESSION["n"]++; session_write_close(); echo "closed\n";';
foreach ([[$new, $old], [$old, $new], [$new, $new]] as [$first, $second]) {
  $id = begin();
  $go = "$folder/go";
  $holder = start_php($hold, [$id, $go], $first);
  echo $holder->line(), ', ';
  $waits = start_php('session_id($argv[1]); session_start(); ob_end_clean(); echo $_SESSION["n"];', [$id], $second);
  $file = fileinode("$folder/sess_$id");
  await(static fn() => preg_match("/-> FLOCK .*:$file /", file_get_contents('/proc/locks')), 'the second request to wait');
  touch($go);
  echo $holder->line(), ', the second sees ', $waits->rest(), "\n";
  unlink($go);
}

echo "-- an ID that was unknown a moment ago\n";
$id = bin2hex(random_bytes(16));
echo run_php('session_id($argv[1]); session_start(); session_write_close(); file_put_contents($argv[2], "n|i:1;");
  session_id($argv[1]); session_start(); ob_end_clean(); echo json_encode($_SESSION), "\n";',
  [$id, "$folder/sess_$id"], ['session.use_strict_mode' => '0'] + $new);

echo "-- a worker that is killed after it has taken a session over\n";
$id = begin();
run_php('session_id($argv[1]); session_start(); $_SESSION["n"] = 9; exec("kill -s KILL " . getmypid());', [$id], $new);
echo in_old($id), ' ', ask($id, $new, MORE), ' ', ask($id, $old), "\n";

echo "-- larger than nodes take\n";
$small = ['session.save_path' => save_path(new Node(item_size_max(1024, 512)))] + $new;
foreach ([$small, ['clustered_session.migrate_shared' => 'off'] + $small,
  ['clustered_session.migrate_shared' => 'off', 'clustered_session.migrate_id' => 'new'] + $small] as $on) {
  $id = begin();
  file_put_contents("$folder/sess_$id", 'n|i:1;text|s:2000:"' . str_repeat('y', 2000) . '";');
  echo strlen(ask($id, $on)), ' ', strlen(ask($id, $on)), ' there ', strlen(json_decode(in_old($id))), ', ', ask($id, $old, '$seen = $_SESSION["n"]'), "\n";
}
?>
--EXPECT--
-- updates
new {"n":1}
new {"n":2}
old {"n":3}
new {"n":4}
old {"n":5}
old {"n":6}
new {"n":7}
-- logged out on the old handler, then on clustered
[] false []
[] false []
-- emptied, then filled anew
{"n":1} [] [] {"n":3}
{"n":3} [] [] {"n":3}
-- one waits for the other
has it, closed, the second sees 2
has it, closed, the second sees 2
has it, closed, the second sees 2
-- an ID that was unknown a moment ago
{"n":1}
-- a worker that is killed after it has taken a session over
"n|i:1;" {"n":1} {"n":2}
-- larger than nodes take
2017 2017 there 2021, 1
2017 2017 there 2021, 1
2017 2017 there 2021, 1
