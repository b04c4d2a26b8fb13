--TEST--
session_reset() shows what another server has written meanwhile
--INI--
session.save_handler=clustered
session.use_cookies=0
session.use_strict_mode=0
clustered_session.local_trust=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$path = save_path(new Node(), new Node());
ini_set('session.save_path', $path);
$id = session(null, function (&$data) { $data['n'] = 1; });
session_id($id);
session_start();
var_dump($_SESSION['n']);
echo run_php('session_id($argv[1]); session_start(); $_SESSION["n"] = 2;', [$id], ['session.save_path' => $path]);
session_reset();
var_dump($_SESSION['n']);
$_SESSION['m'] = 1;
session_write_close();
echo json_encode(seen_elsewhere($id, $path)), "\n";
?>
--EXPECT--
int(1)
int(2)
{"n":2,"m":1}
