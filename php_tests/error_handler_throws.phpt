--TEST--
An error handler that throws at our warnings leaves nothing behind, and the next session works
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=0
clustered_session.local_memory=1M
--FILE--
<?php
require __DIR__ . '/support.inc';
set_error_handler(function ($level, $message) { throw new LogicException(substr($message, 0, 75)); });
$points = [
  'open' => function () { ini_set('session.save_path', 'no/path'); session_start(); },
  'read' => function () { session_id('not/an/id'); session_start(); },
  'write' => function () { session_start(); $_SESSION['big'] = str_repeat('x', 600_000); session_write_close(); },
  'reset' => function () { session_start(); session_reset(); trigger_error('reset'); },
  'regenerate' => function () {
    session_start();
    $_SESSION['big'] = str_repeat('x', 600_000);
    session_regenerate_id();
  },
  'setting' => function () { ini_set('clustered_session.lock', 'x'); },
];
foreach ($points as $point => $code) {
  ini_set('session.save_path', '');
  session_id('');
  try {
    $code();
    echo "$point: no exception\n";
  } catch (LogicException $exception) {
    echo "$point: ", $exception->getMessage(), "\n";
  }
  if (session_status() === PHP_SESSION_ACTIVE) session_abort();
  if (clustered_session_status()['locks']['held'] !== 0) echo "  a lock is held\n";
}
ini_set('session.save_path', '');
$id = session('', function (&$data) { $data['n'] = 1; });
session($id, function ($data) { echo json_encode($data), "\n"; });
?>
--EXPECT--
open: session_start(): save_path: node 1 ("no/path"): the host must be a name of 
read: session_start(): invalid session ID "no...": must be 1 to 256 of A-Z, a-z, 
write: session_write_close(): a session of 600016 bytes is too large for clustered
reset: reset
regenerate: session_regenerate_id(): a session of 600016 bytes is too large for cluster
setting: clustered_session.lock: invalid value "x": must be none, local or cluster; 
{"n":1}
