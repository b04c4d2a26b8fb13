--TEST--
What another server does with a session while the old handler is asked for it: it is not lost, and not replaced
--INI--
session.save_handler=clustered
session.save_path=
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
need_programs('cc', 'php-config');
if (PHP_ZTS) die('skip the module with the odd handler is built for NTS');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
require __DIR__ . '/odd_handler.inc';
$nodes = save_path(new Node(), new Node());
const REPORT = 'session_id($argv[1]); session_start(); ob_end_clean();
  echo json_encode([$_SESSION, session_id() === $argv[1] ? "kept" : "new", session_id()]);';
// Another server, whose old handler behaves as `how` says.
function server(string $how, string $id, array $ini): ChildProcess {
  return start_php(REPORT, [$id], $ini + ['session.save_path' => $GLOBALS['nodes'],
    'extension' => "$GLOBALS[folder]/odd_handler.so", 'clustered_session.migrate_from' => "odd:$how",
    'clustered_session.migrate_to' => "odd:$how"]);
}
foreach ([['new', '1'], ['new', '0']] as [$which, $strict]) {
  $id = bin2hex(random_bytes(16));
  $ini = ['clustered_session.migrate_id' => $which, 'session.use_strict_mode' => $strict];
  $late = server('gone', $id, $ini);  // the session is taken from it, and ended there, before it answers
  await(fn() => is_file("$folder/calls"), 'the late one to ask');
  [$seen, $kept, $first] = json_decode(server('well', $id, $ini)->rest());
  touch("$folder/go");
  [$late_seen, $late_kept, $second] = json_decode($late->rest());
  echo "migrate_id = $which, strict mode $strict: ", json_encode($seen), " $kept, then ", json_encode($late_seen), " $late_kept ",
    $first === $second ? "same\n" : "other\n";
  array_map('unlink', glob("$folder/{go,calls}", GLOB_BRACE));
}
echo logged();
?>
--EXPECT--
migrate_id = new, strict mode 1: {"n":1} new, then {"n":1} new same
migrate_id = new, strict mode 0: {"n":1} new, then {"n":1} new same
