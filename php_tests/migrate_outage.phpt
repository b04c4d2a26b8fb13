--TEST--
While the handler of migrate_to fails, the log says so once, and once that it answers again; ends are told then
--INI--
session.save_handler=clustered
session.use_strict_mode=0
session.save_path=
clustered_session.retry_interval=1ms
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_programs('cc', 'php-config');
if (PHP_ZTS) die('skip the module with the odd handler is built for NTS');
if (!extension_loaded('pcntl')) die('skip no pcntl');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
require __DIR__ . '/odd_handler.inc';
$to = ['clustered_session.migrate_to' => 'odd:switch'];
const SWITCHED = '$down = getenv("ODD_FOLDER") . "/down";
  function change($id) { session_id($id); session_start(); $_SESSION["n"] = random_bytes(4); session_write_close(); }
  function show() { $c = clustered_session_status()["counters"]; echo "  mirrored $c[mirrored], errors $c[migration_errors]\n"; }
  function comes_back($id) { unlink(getenv("ODD_FOLDER") . "/calls"); unlink($GLOBALS["down"]);
    do change($id); while (clustered_session_status()["migration"]["fails"]); }';

echo "-- writes: who fails first says so, who fails later or does not try says nothing\n";
foreach (['1ms', '1h'] as $interval) {
  odd('switch', SWITCHED . 'change($argv[1]); touch($down); for ($i = 0; $i < 3; ++$i) { usleep(2000); change($argv[1]); } show();
    echo "  asked ", count(preg_grep("/^read/", file(getenv("ODD_FOLDER") . "/calls"))), "\n";
    if ($argc > 2) comes_back($argv[1]); else unlink($down);', $to + ['clustered_session.retry_interval' => $interval], $interval === '1ms');
  echo logged();
  @unlink("$folder/calls");
}
echo "-- what is mirrored again is believed again\n";
odd('switch', SWITCHED . 'change($argv[1]); touch($down); change($argv[1]); comes_back($argv[1]); start($argv[1]); echo "  ", json_encode($_SESSION), "\n";',
  $to + ['clustered_session.migrate_shared' => 'on']);
logged();

echo "-- ends: told by a request that comes when the handler answers again, once\n";
foreach (['session_destroy();', 'session_regenerate_id(true); session_write_close();'] as $end) {
  odd('switch', SWITCHED . 'change($argv[1]); touch($down); start($argv[1]); ' . $end . ' comes_back(""); change(""); change("");', $to);
  echo '  ', ends(), "\n", logged();
}
echo "-- not, where the ID has another session by then\n";
odd('switch', SWITCHED . 'change($argv[1]); touch($down); start($argv[1]); session_destroy(); comes_back($argv[1]); change("");', $to);
echo '  ', ends() ?: 'none', "\n", logged();

echo "-- an exception that is pending as the session is written\n";
odd('switch', SWITCHED . 'start($argv[1]); $_SESSION["f"] = fn() => 1;
  try { session_write_close(); } catch (Exception $e) { echo "  ", $e->getMessage(), "\n"; } show();', $to);
echo logged();

echo "-- four that hang in it keep the fifth from it, and the log says so\n";
odd('hang', '$folder = getenv("ODD_FOLDER"); if (is_file("$folder/calls")) unlink("$folder/calls"); $pids = [];
  for ($i = 0; $i < 4; ++$i) {
    if (($pids[] = pcntl_fork()) === 0) {
      ob_end_clean(); start($i . $argv[1]); file_put_contents("$folder/seen.$i", json_encode($_SESSION));
      exec("kill -s KILL " . getmypid());
    }
  }
  while (!is_file("$folder/calls") || count(file("$folder/calls")) < 4) usleep(1000);
  $begun = hrtime(true);
  while (hrtime(true) - $begun < 600e6) usleep(10000);  // longer than a call may last
  start($argv[1]);
  echo "  calls ", count(file("$folder/calls")), "\n"; touch("$folder/go");
  foreach ($pids as $pid) pcntl_waitpid($pid, $status);
  for ($i = 0; $i < 4; ++$i) echo "  ", file_get_contents("$folder/seen.$i"), "\n";
  start($argv[1]); echo "  ", json_encode($_SESSION), "\n";');
echo logged();

echo "-- four that ended in it by a fatal error keep nobody from it\n";
odd('fatal', 'set_error_handler(fn() => true); $pids = [];
  for ($i = 0; $i < 4; ++$i) {
    if (($pids[] = pcntl_fork()) === 0) { ob_end_clean(); start($i . $argv[1]); }
  }
  foreach ($pids as $pid) pcntl_waitpid($pid, $status);
  $ended = hrtime(true);
  while (hrtime(true) - $ended < 600e6) usleep(10000);  // longer than a call may last
  register_shutdown_function(function () { echo "  ", error_get_last()["message"], "\n"; });
  start($argv[1]);', ['display_errors' => '0', 'log_errors' => '0']);
echo logged();
?>
--EXPECTF--
-- writes: who fails first says so, who fails later or does not try says nothing
switch:
  [the save handler "odd" failed; clustered_session.migrate_to: this session's changes are not there [CS-MIGRATE-TO]]
  mirrored 1, errors 3
  asked 5
clustered_session: the save handler "odd" failed; it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]
clustered_session: the save handler "odd" answers again; writes and ends that did not reach it from this server: %d [CS-MIGRATION-UP]
switch:
  [the save handler "odd" failed; clustered_session.migrate_to: this session's changes are not there [CS-MIGRATE-TO]]
  mirrored 1, errors 3
  asked 3
clustered_session: the save handler "odd" failed; it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]
-- what is mirrored again is believed again
switch:
  {"n":1}
-- ends: told by a request that comes when the handler answers again, once
switch:
  [the save handler "odd" failed; the session that was destroyed may still be there [CS-MIGRATE-END]]
  destroy ID
clustered_session: the save handler "odd" failed; it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]
clustered_session: the save handler "odd" answers again; writes and ends that did not reach it from this server: %d [CS-MIGRATION-UP]
switch:
  [the save handler "odd" failed; clustered_session.migrate_to: this session's changes are not there [CS-MIGRATE-TO]]
  destroy ID
clustered_session: the save handler "odd" failed; it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]
clustered_session: the save handler "odd" answers again; writes and ends that did not reach it from this server: %d [CS-MIGRATION-UP]
-- not, where the ID has another session by then
switch:
  [the save handler "odd" failed; the session that was destroyed may still be there [CS-MIGRATE-END]]
  none
clustered_session: the save handler "odd" failed; it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]
clustered_session: the save handler "odd" answers again; writes and ends that did not reach it from this server: %d [CS-MIGRATION-UP]
-- an exception that is pending as the session is written
switch:
  Serialization of 'Closure' is not allowed
  mirrored 0, errors 1
-- four that hang in it keep the fifth from it, and the log says so
hang:
  [the save handler "odd" fails and is left alone for now; clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  calls 4
  {"n":1}
  {"n":1}
  {"n":1}
  {"n":1}
  {"n":1}
clustered_session: the save handler "odd" hangs: 4 requests wait in it; it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]
clustered_session: the save handler "odd" answers again; writes and ends that did not reach it from this server: 0 [CS-MIGRATION-UP]
-- four that ended in it by a fatal error keep nobody from it
fatal:
  session_start(): odd gives up
