--TEST--
Two sessions in one request, each with its own lock and data
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/support.inc';
$held = fn() => clustered_session_status()['locks']['held'];
session_id('first-session');
session_start();
$_SESSION['who'] = 'first';
session_write_close();
session_id('second-session');
session_start();
echo json_encode($_SESSION), ' ', $held(), "\n";
$_SESSION['who'] = 'second';
session_write_close();
foreach (['first', 'second', 'first'] as $who) {
  session("$who-session", function (&$data) use ($held) {
    echo $data['who'], ' ', $data['n'] ?? 0, ' ', $held(), "\n";
    $data['n'] = ($data['n'] ?? 0) + 1;
  });
}
// Another name is no other session; PHP keeps the ID when only the name changes.
session_name('OTHER');
session('first-session', function ($data) { echo json_encode($data), "\n"; });
// A hundred in a row leave nothing locked.
for ($i = 0; $i < 100; ++$i) session("session-$i", function (&$data) use ($i) { $data['i'] = $i; });
for ($i = 0; $i < 100; ++$i) {
  session("session-$i", function ($data) use ($i) {
    if ($data !== ['i' => $i]) echo "$i is lost\n";
  });
}
var_dump($held(), clustered_session_status()['memory']['entries']);
?>
--EXPECT--
[] 1
first 0 1
second 0 1
first 1 1
{"who":"first","n":2}
int(0)
int(102)
