--TEST--
A session keeps its nodes and settings, whatever else the worker is asked for while it is open
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.use_strict_mode=0
clustered_session.affinity=balancer
clustered_session.flush_timeout=0
--FILE--
<?php
require __DIR__ . '/support.inc';
// Nobody listens there: the session stays on this server.
ini_set('session.save_path', 'm1=127.0.0.1:' . free_port() . ',m2=127.0.0.1:' . free_port());
session_start();
$id = session_id();
$_SESSION['v'] = 'kept';
// Each change makes the next one who asks work with other settings.
for ($i = 1; $i <= 40; ++$i) {
  ini_set('clustered_session.local_trust', 100 + $i . 's');
  ini_set('clustered_session.lock', ['none', 'local', 'cluster'][$i % 3]);
  if (count(clustered_session_status()['nodes']) !== 2) echo "no nodes\n";
}
session_write_close();
ini_restore('clustered_session.lock');
var_dump(clustered_session_status()['locks']['held']);
session_id($id);
session_start();
echo json_encode($_SESSION), "\n";
session_write_close();
?>
--EXPECTF--
int(0)
{"v":"kept"}
%A
