--TEST--
A handler to migrate from that throws, fails, hangs, writes output or changes $_SESSION: one warning, and no harm
--INI--
session.save_handler=clustered
session.use_strict_mode=0
session.save_path=
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_programs('cc', 'php-config');
if (PHP_ZTS) die('skip the module with the odd handler is built for NTS');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
require __DIR__ . '/odd_handler.inc';
foreach (['well', 'throw', 'open_throw', 'close_throw', 'warn', 'fail', 'output', 'session'] as $how) odd($how, SHOW);
odd('settings', SHOW . '$seen = json_encode(array_map("ini_get", ["session.save_path", "session.name", "session.gc_maxlifetime"])); echo "  $seen\n";');
odd('exit', SHOW . 'echo "not reached";');
odd('fatal', SHOW . 'echo "not reached";');
echo "-- in strict mode\n";
odd('fail', '@start($argv[1]); ' . SHOW, ['session.use_strict_mode' => '1', 'clustered_session.retry_interval' => '1h']);
odd('well', '@start($argv[1]); $_SESSION["n"] = 2; session_reset(); echo "  ", json_encode($_SESSION), "\n"; session_write_close(); ' . SHOW, ['session.use_strict_mode' => '1']);
echo "-- garbage stays where it is\n";
odd('garbage', '@start($argv[1]); session_write_close(); ' . SHOW);
echo "-- left alone after a failure\n";
odd('fail', 'for ($i = 0; $i < 5; ++$i) @start($argv[1]);
  $c = clustered_session_status()["counters"];
  echo "  errors $c[migration_errors]\n";', ['clustered_session.retry_interval' => '1h']);
echo "-- mirrored\n";
foreach (['well', 'write_throw', 'write_fail'] as $how) {
  odd($how, 'start($argv[1]); $_SESSION["n"] = 2; session_write_close(); ' . SHOW . ' session_destroy();
    $c = clustered_session_status()["counters"]; echo "  mirrored $c[mirrored], errors $c[migration_errors]\n";',
    ['clustered_session.migrate_to' => "odd:$how", 'clustered_session.retry_interval' => '1ms']);
}
echo "-- a lock that is not to be had is its session's matter, of two sessions the handler's\n";
odd('locked', 'foreach ([$argv[1], $argv[1], strrev($argv[1]), $argv[1]] as $id) @start($id);', ['clustered_session.retry_interval' => '1h']);
echo "-- what was not mirrored is believed rather than the old handler\n";
foreach (['well', 'write_fail'] as $how) {
  odd($how, 'start($argv[1]); $_SESSION["n"] = 2; session_write_close(); ' . SHOW . ' session_abort();', ['clustered_session.migrate_to' => "odd:$how",
    'clustered_session.migrate_shared' => 'on', 'clustered_session.retry_interval' => '1ms']);
}
echo "-- log\n", implode("\n", array_unique(explode("\n", logged())));
?>
--EXPECTF--
well:
  [true,{"n":1},null]
throw:
  [the save handler "odd" failed (it threw Exception); clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [false,[],null]
open_throw:
  [the save handler "odd" failed (it threw Exception); clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [false,[],null]
close_throw:
  [true,{"n":1},null]
warn:
  [the save handler "odd" failed (odd does not find 0123...); clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [false,[],null]
fail:
  [the save handler "odd" failed; clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [false,[],null]
output:
  [true,{"n":1},null]
session:
  [true,{"n":1},null]
settings:
  [true,{"n":1},null]
  ["","PHPSESSID","1440"]
exit:
fatal:

Fatal error: session_start(): odd gives up in %s on line %d
  [PHP Request Shutdown: session not written: it was not read to its end, and what is stored stays [CS-NOT-READ]]
  [PHP Request Shutdown: Failed to write session data (clustered). Please verify that the current setting of session.save_path is correct ()]
-- in strict mode
fail:
  [the save handler "odd" failed; clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [the save handler "odd" fails and is left alone for now; clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [false,[],null]
well:
  {"n":1}
  [true,{"n":1},null]
-- garbage stays where it is
garbage:
  [session kept in the handler of clustered_session.migrate_from: it cannot be decoded; is session.serialize_handler the one it was written with? [CS-MIGRATE-KEPT]]
  [Failed to decode session object. Session has been destroyed]
  [session kept in the handler of clustered_session.migrate_from: it cannot be decoded; is session.serialize_handler the one it was written with? [CS-MIGRATE-KEPT]]
  [Failed to decode session object. Session has been destroyed]
  [false,[],null]
-- left alone after a failure
fail:
  [the save handler "odd" failed; clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [the save handler "odd" fails and is left alone for now; clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [the save handler "odd" fails and is left alone for now; clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [the save handler "odd" fails and is left alone for now; clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [the save handler "odd" fails and is left alone for now; clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  errors 1
-- mirrored
well:
  [true,{"n":2},null]
  mirrored 2, errors 0
write_throw:
  [the save handler "odd" failed (it threw Exception); clustered_session.migrate_to: this session's changes are not there [CS-MIGRATE-TO]]
  [true,{"n":2},null]
  mirrored 1, errors 1
write_fail:
  [the save handler "odd" failed; clustered_session.migrate_to: this session's changes are not there [CS-MIGRATE-TO]]
  [true,{"n":2},null]
  [the save handler "odd" failed; the session that was destroyed may still be there [CS-MIGRATE-END]]
  mirrored 0, errors 2
-- a lock that is not to be had is its session's matter, of two sessions the handler's
locked:
  [the save handler "odd" failed (the lock is not to be had); clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [the save handler "odd" failed (the lock is not to be had); clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [the save handler "odd" failed (the lock is not to be had); clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
  [the save handler "odd" fails and is left alone for now; clustered_session.migrate_from: this session may be there, and no empty one was started in its place [CS-MIGRATE-FROM]]
  [Failed to read session data: clustered (path: )]
-- what was not mirrored is believed rather than the old handler
well:
  [true,{"n":1},null]
write_fail:
  [the save handler "odd" failed; clustered_session.migrate_to: this session's changes are not there [CS-MIGRATE-TO]]
  [true,{"n":2},null]
-- log
clustered_session: the save handler "odd" failed (it threw Exception); it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]
clustered_session: the save handler "odd" failed (odd does not find 0123...); it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]
clustered_session: the save handler "odd" failed; it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]
clustered_session: the save handler "odd" failed (it threw UnwindExit); it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]
clustered_session: the save handler "odd" failed (the lock is not to be had); it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]
