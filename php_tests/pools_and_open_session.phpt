--TEST--
A session keeps its nodes and settings, whatever else the worker is asked for while it is open
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.use_strict_mode=0
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
session_id('an-open-session');
session_start();
$_SESSION['v'] = 'kept';
// More pools than a worker keeps: the open session's is the first to go.
for ($i = 1; $i <= 40; ++$i) {
  ini_set('clustered_session.copies', (string) ($i % 3 + 1));
  ini_set('clustered_session.lock', ['none', 'local', 'cluster'][$i % 3]);
  ini_set('clustered_session.connect_timeout', 100 + $i . 'ms');
  if (count(clustered_session_status()['nodes']) !== 2) echo "no nodes\n";
}
session_write_close();
ini_restore('clustered_session.lock');
var_dump(clustered_session_status()['locks']['held']);
echo json_encode(seen_elsewhere('an-open-session', $path)), "\n";
?>
--EXPECT--
int(0)
{"v":"kept"}
