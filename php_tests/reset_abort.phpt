--TEST--
session_reset() reads again under the lock it holds, session_abort() writes nothing
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.save_path=
--FILE--
<?php
require __DIR__ . '/support.inc';
$id = session(null, function (&$data) { $data['n'] = 1; });

session_id($id);
session_start();
$_SESSION['n'] = 2;
$held = fn() => clustered_session_status()['locks']['held'];
var_dump($held(), session_reset(), $_SESSION['n'], $held());
$_SESSION['n'] = 3;
session_reset();
$_SESSION['n'] += 10;
session_write_close();
var_dump($held());

session_start();
var_dump($_SESSION['n']);
$_SESSION['n'] = 99;
var_dump(session_abort(), $held());
session_start(['read_and_close' => true]);
var_dump($_SESSION['n']);

// Without a session both say so.
var_dump(session_reset(), session_abort());
?>
--EXPECT--
int(1)
bool(true)
int(1)
int(1)
int(0)
int(11)
bool(true)
int(0)
int(11)
bool(false)
bool(false)
