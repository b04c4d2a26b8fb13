--TEST--
lock=cluster that is set while a session is open holds from the next start, and every end gives the lock back
--INI--
session.save_handler=clustered
session.use_strict_mode=0
session.use_cookies=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_programs('memcached', 'timeout');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$node = new Node();
ini_set('session.save_path', save_path($node));
$other_server = ['session.save_path' => save_path($node), 'session.use_cookies' => '0',
  'session.use_strict_mode' => '0', 'clustered_session.lock' => 'cluster', 'clustered_session.lock_wait' => '0'];
$elsewhere = 'session_id($argv[1]); $ok = @session_start(["read_and_close" => true]);
  ob_end_clean(); echo $ok ? "got it" : "locked", "\n";';
$id = session('shared-session', function (&$data) { $data['n'] = 1; });
session_id($id);
session_start();
echo run_php($elsewhere, [$id], $other_server);
ini_set('clustered_session.lock', 'cluster');
clustered_session_status();
var_dump(session_reset());
echo run_php($elsewhere, [$id], $other_server);
session_abort();
session_start();
echo run_php($elsewhere, [$id], $other_server);
var_dump(session_reset());
echo run_php($elsewhere, [$id], $other_server);
session_abort();
echo run_php($elsewhere, [$id], $other_server);
echo "-- read_and_close, destroy and a new ID give it back, too\n";
session($id, null, ['read_and_close' => true]);
echo run_php($elsewhere, [$id], $other_server);
session_id($id);
session_start();
session_regenerate_id(false);
echo run_php($elsewhere, [$id], $other_server);
$new_id = session_id();
session_write_close();
session_id($id);
session_start();
session_destroy();
echo run_php($elsewhere, [$id], $other_server), run_php($elsewhere, [$new_id], $other_server);
?>
--EXPECT--
got it
bool(true)
got it
locked
bool(true)
locked
got it
-- read_and_close, destroy and a new ID give it back, too
got it
got it
got it
got it
