--TEST--
Without a save_path sessions live on this server, which the status and phpinfo() say
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.save_path=
--FILE--
<?php
require __DIR__ . '/support.inc';
$id = session(null, function (&$data) { $data['cart'] = ['tea' => 2]; });
session($id, function (&$data) { echo json_encode($data), "\n"; });
var_dump(preg_match('/^[0-9a-f]{32}$/D', $id));
$status = clustered_session_status();
var_dump($status['mode'], $status['nodes'], $status['counters']['node_waits'], $status['memory']['entries']);
ob_start();
phpinfo(INFO_MODULES);
$info = ob_get_clean();
echo implode("\n", preg_grep('/^(Mode|Note) => /', explode("\n", $info))), "\n";
?>
--EXPECT--
{"cart":{"tea":2}}
int(1)
string(13) "single-server"
array(0) {
}
int(0)
int(1)
Mode => single-server
Note => session.save_path is empty: sessions live on this server only
