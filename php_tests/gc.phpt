--TEST--
session_gc() answers how many local copies have expired
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.save_path=
session.gc_probability=0
--FILE--
<?php
require __DIR__ . '/support.inc';
for ($i = 0; $i < 5; ++$i) session(null, function (&$data) { $data['n'] = 1; });
session_id('');
session_start();
$_SESSION['kept'] = 1;
var_dump(session_gc(), clustered_session_status()['memory']['entries']);
session_write_close();
ini_set('session.gc_maxlifetime', 1);
for ($i = 0; $i < 3; ++$i) $short = session(null, function (&$data) { $data['n'] = 1; });
ini_set('session.gc_maxlifetime', 1440);
session_id('');
session_start();
var_dump(await('session_gc', 'the expiration'));
while (session_gc() !== 0);  // those that expired a little later
var_dump(clustered_session_status()['counters']['expirations'], session_gc());
var_dump(clustered_session_status()['memory']['entries']);
session_write_close();

// Expired is gone, collected or not.
ini_set('session.use_strict_mode', 0);
session($short, function ($data) { var_dump($data); });
?>
--EXPECTF--
int(0)
int(5)
int(%r[123]%r)
int(3)
int(0)
int(6)
array(0) {
}
