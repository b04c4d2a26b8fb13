--TEST--
An error handler that closes, destroys or restarts the session at a warning of ours: no callback goes on with it
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.use_strict_mode=0
clustered_session.local_memory=1M
session.save_path=
display_errors=0
--FILE--
<?php
require __DIR__ . '/support.inc';
$handlers = [
  'closes' => fn() => session_write_close(),
  'aborts' => fn() => session_abort(),
  'destroys' => fn() => session_destroy(),
  'restarts' => fn() => session_abort() && session_id('another-session') && session_start(),
];
$steps = [
  'write' => function () { $_SESSION['big'] = str_repeat('x', 900_000); session_write_close(); },
  'regenerate' => function () { $_SESSION['big'] = str_repeat('x', 900_000); session_regenerate_id(); },
  'reset' => function () { session_id(); ini_set('session.name', 'OTHER'); session_reset(); },
  'start' => function () { session_abort(); session_id('no/id'); session_start(); },
  'validate' => function () {
    session_abort();
    ini_set('session.use_strict_mode', 1);
    session_id('no/id');
    session_start();
    ini_set('session.use_strict_mode', 0);
  },
];
foreach ($steps as $what => $step) {
  foreach ($handlers as $how => $handler) {
    $warned = 0;
    set_error_handler(function () use (&$warned, $handler) { return $warned++ > 0 ? true : ($handler() || true); });
    session_id('a-session');
    session_start();
    $_SESSION['user'] = 'ada';
    $step();
    restore_error_handler();
    if (session_status() === PHP_SESSION_ACTIVE) session_abort();
    $held = clustered_session_status()['locks']['held'];
    if ($held !== 0) echo "$what, $how: $held held\n";
    session_id('a-session');
    session_start();
    session_destroy();
  }
}
echo "done\n";
?>
--EXPECT--
done
