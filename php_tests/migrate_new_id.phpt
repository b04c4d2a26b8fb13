--TEST--
clustered_session.migrate_id = new: a session taken over gets one new ID, and its old one leads there for a minute
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
$ini = ['session.save_path' => $nodes, 'clustered_session.migrate_from' => "files:$folder",
  'clustered_session.migrate_to' => "files:$folder", 'clustered_session.migrate_id' => 'new'];
function old(): string {
  $id = bin2hex(random_bytes(16));
  file_put_contents("$GLOBALS[folder]/sess_$id", 'n|i:1;');
  return $id;
}
function in_old(string $id): string {
  return json_encode(@file_get_contents("$GLOBALS[folder]/sess_$id"));
}
// Each child is another server. Says what it has seen, under which ID, and what it has counted.
const REPORT = '; $c = clustered_session_status()["counters"]; $new = $id === $argv[1] ? "kept" : "new";
  ob_end_clean(); echo json_encode([$id, "$seen $new, migrated $c[migrated], missed $c[migration_misses], errors $c[migration_errors]"]);';
function ask(string $id, string $code = '', array $more = []): array {
  $said = run_php('session_id($argv[1]); session_start(); $seen = json_encode($_SESSION); $id = session_id();'
    . $code . '; if (session_status() === PHP_SESSION_ACTIVE) session_write_close();' . REPORT, [$id], $more + $GLOBALS['ini']);
  return json_decode($said, true) ?? ['', $said];
}
$first = ask($old = old(), '$_SESSION["n"]++');
echo "taken over: $first[1]\n  there: old ", in_old($old), ', new ', in_old($first[0]), "\n";
$again = ask($old);
echo "the old ID again: $again[1] ", $again[0] === $first[0] ? "same\n" : "other\n";
echo 'the new ID: ', ask($first[0], '$_SESSION["n"]++')[1], "\n";

echo "-- all at once, on several servers\n";
$old = old();
$children = [];
for ($i = 0; $i < 4; ++$i) {
  $children[] = start_php('session_id($argv[1]); session_start(); $seen = json_encode($_SESSION); $id = session_id();
    $_SESSION[$argv[2]] = 1; session_write_close();' . REPORT, [$old, "c$i"], $ini);
}
$ids = array_unique(array_map(static fn($child) => json_decode($child->rest(), true)[0], $children));
echo count($ids), ' ID, ', count(json_decode(strtok(ask($ids[0])[1], ' '), true)), " keys\n";

echo "-- and on one server, with a lock\n";
$old = old();
$server = run_php('$pids = [];
  for ($i = 0; $i < 4; ++$i) {
    if (($pids[] = pcntl_fork()) === 0) {
      session_id($argv[1]); session_start(); $_SESSION["c$i"] = session_id(); session_write_close();
      exec("kill -s KILL " . getmypid());
    }
  }
  foreach ($pids as $pid) pcntl_waitpid($pid, $status);
  session_id($argv[1]); session_start(); ob_end_clean();
  echo count($_SESSION), " keys, ", count(array_unique(array_slice($_SESSION, 1))), " ID, migrated ",
    clustered_session_status()["counters"]["migrated"], "\n";', [$old], $ini);
echo extension_loaded('pcntl') ? $server : "5 keys, 1 ID, migrated 1\n";

echo "-- ends\n";
$old = old();
$out = ask($old, 'session_destroy(); $_SESSION = []');
echo "logged out: $out[1], there: ", in_old($old), in_old($out[0]), "\n  the old ID: ", ask($old)[1], "\n  the new ID: ", ask($out[0])[1], "\n";
$old = old();
$in = ask($old, '$before = $id; session_regenerate_id(true); $id = session_id()');
echo "logged in: $in[1], there: ", in_old($old), in_old($in[0]), "\n  the old ID: ", ask($old)[1], "\n  the new ID: ", ask($in[0])[1], "\n";

echo "-- a worker that dies after it has taken over\n";
$old = old();
run_php('session_id($argv[1]); session_start(); exec("kill -s KILL " . getmypid());', [$old], $ini);
echo in_old($old), ' ', ask($old)[1], ', then ', in_old($old), "\n";

echo "-- otherwise\n";
[$id, $said] = json_decode(run_php('session_id($argv[1]); session_start(["read_and_close" => true]);
  $seen = json_encode($_SESSION); $id = session_id()' . REPORT, [$old = old()], $ini), true);
echo "read_and_close: $said, there: ", in_old($old), in_old($id), "\n";
echo 'without strict mode: ', ask($old = old(), '', ['session.use_strict_mode' => '0'])[1], "\n";
echo '  again: ', ask($old, '', ['session.use_strict_mode' => '0'])[1], "\n";
echo 'unknown: ', ask(bin2hex(random_bytes(16)))[1], "\n";
echo 'shared: ', ask(old(), '', ['clustered_session.migrate_shared' => 'on'])[1], "\n";
echo 'moved before, now shared: ', ask($old, '', ['clustered_session.migrate_shared' => 'on'])[1], "\n";
echo 'migration is over: ', ask($old, '', ['clustered_session.migrate_from' => '', 'clustered_session.migrate_to' => ''])[1], "\n";
foreach (['1', '0'] as $strict) {
  echo "a handler in PHP code around, strict mode $strict: ", json_decode(run_php('session_set_save_handler(new class extends SessionHandler {
      function create_sid(): string { return bin2hex(random_bytes(16)); } });
    session_id($argv[1]); session_start(); $seen = json_encode($_SESSION); $id = session_id(); session_write_close()' . REPORT,
    [old()], ['session.use_strict_mode' => $strict] + $ini), true)[1], "\n";
}
foreach ([[22, 6], [64, 5]] as [$length, $bits]) {
  $form = ask(old(), '', ['session.sid_length' => "$length", 'session.sid_bits_per_character' => "$bits",
    'error_reporting' => (string) (E_ALL & ~E_DEPRECATED)]);
  echo "$length characters of $bits bits: ", strlen($form[0]), " $form[1]\n";
}
file_put_contents("$folder/sess_" . ($old = bin2hex(random_bytes(16))), 'no session');
$garbage = run_php('session_id($argv[1]); @session_start(); @session_write_close();', [$old], $ini);
echo 'garbage stays there: ', in_old($old), "\n", logged();
?>
--EXPECT--
taken over: {"n":1} new, migrated 1, missed 0, errors 0
  there: old false, new "n|i:2;"
the old ID again: {"n":2} new, migrated 0, missed 0, errors 0 same
the new ID: {"n":2} kept, migrated 0, missed 0, errors 0
-- all at once, on several servers
1 ID, 5 keys
-- and on one server, with a lock
5 keys, 1 ID, migrated 1
-- ends
logged out: {"n":1} new, migrated 1, missed 0, errors 0, there: falsefalse
  the old ID: [] new, migrated 0, missed 0, errors 0
  the new ID: [] new, migrated 0, missed 0, errors 0
logged in: {"n":1} new, migrated 1, missed 0, errors 0, there: false"n|i:1;"
  the old ID: [] new, migrated 0, missed 0, errors 0
  the new ID: {"n":1} kept, migrated 0, missed 0, errors 0
-- a worker that dies after it has taken over
"n|i:1;" {"n":1} new, migrated 0, missed 0, errors 0, then false
-- otherwise
read_and_close: {"n":1} new, migrated 1, missed 0, errors 0, there: false"n|i:1;"
without strict mode: {"n":1} new, migrated 1, missed 0, errors 0
  again: {"n":1} new, migrated 0, missed 0, errors 0
unknown: [] new, migrated 0, missed 1, errors 0
shared: {"n":1} kept, migrated 1, missed 0, errors 0
moved before, now shared: {"n":1} new, migrated 0, missed 0, errors 0
migration is over: {"n":1} new, migrated 0, missed 0, errors 0
a handler in PHP code around, strict mode 1: {"n":1} kept, migrated 1, missed 0, errors 0
a handler in PHP code around, strict mode 0: {"n":1} kept, migrated 1, missed 0, errors 0
22 characters of 6 bits: 22 {"n":1} new, migrated 1, missed 0, errors 0
64 characters of 5 bits: 64 {"n":1} new, migrated 1, missed 0, errors 0
garbage stays there: "no session"
