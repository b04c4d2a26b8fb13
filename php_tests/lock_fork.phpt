--TEST--
A child made by pcntl_fork() inside a session does not release its parent's lock, and may use sessions of its own
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=0
clustered_session.lock_wait=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_functions('pcntl_fork');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
// Tries to have the parent's session from a process that is neither its parent nor its child.
$another = function (): string {
  $pid = pcntl_fork();
  if ($pid === 0) {
    session_abort();
    session_id('parents-session');
    $got = @session_start();
    session_abort();
    exec('kill -s ' . ($got ? 'USR1' : 'USR2') . ' ' . getmypid());
  }
  pcntl_waitpid($pid, $status);
  return pcntl_wtermsig($status) === SIGUSR1 ? 'had' : 'locked';
};
session_id('parents-session');
session_start();
$_SESSION['who'] = 'parent';
echo $another(), "\n";
foreach (['exit' => fn() => null, 'session_write_close' => session_write_close(...),
          'session_abort' => session_abort(...),
          'session_destroy' => fn() => null] as $how => $end) {
  $pid = pcntl_fork();
  if ($pid === 0) {
    ob_clean();
    $end();
    if ($how === 'exit') session_register_shutdown();
    register_shutdown_function(function () { ob_end_clean(); exec('kill -s KILL ' . getmypid()); });
    exit;
  }
  pcntl_waitpid($pid, $status);
  echo "$how: ", $another(), ' ', clustered_session_status()['locks']['held'], "\n";
}
$_SESSION['who'] = 'parent, later';
session_write_close();
echo $another(), ' ', clustered_session_status()['locks']['held'], "\n";
session('parents-session', function ($data) { echo json_encode($data), "\n"; });
?>
--EXPECT--
locked
exit: locked 1
session_write_close: locked 1
session_abort: locked 1
session_destroy: locked 1
had 0
{"who":"parent, later"}
