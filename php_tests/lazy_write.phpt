--TEST--
An unchanged session asks no node, with lazy_write and without it
--INI--
session.save_handler=clustered
clustered_session.affinity=balancer
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
ini_set('session.save_path', save_path(new Node(), new Node()));
foreach ([1, 0] as $lazy) {
  ini_set('session.lazy_write', $lazy);
  echo "lazy_write $lazy\n";
  $grown = counted(function () use (&$id) { $id = session(null, function (&$data) { $data['n'] = 1; }); });
  unset($grown['node_connects']);
  echo '  new:       ', json_encode($grown), "\n";
  echo '  unchanged: ', json_encode(counted(fn() => session($id))), "\n";
  echo '  changed:   ', json_encode(counted(fn() => session($id, function (&$data) { ++$data['n']; }))), "\n";
  echo '  emptied:   ', json_encode(counted(fn() => session($id, function (&$data) { $data = []; }))), "\n";
  echo '  empty:     ', json_encode(counted(fn() => session($id))), "\n";
}
?>
--EXPECT--
lazy_write 1
  new:       {"new_sessions":1,"writes":1,"node_waits":1}
  unchanged: {"local_hits":1}
  changed:   {"local_hits":1,"writes":1,"node_waits":1}
  emptied:   {"local_hits":1,"writes":1,"node_waits":1}
  empty:     {"local_hits":1}
lazy_write 0
  new:       {"new_sessions":1,"writes":1,"node_waits":1}
  unchanged: {"local_hits":1}
  changed:   {"local_hits":1,"writes":1,"node_waits":1}
  emptied:   {"local_hits":1,"writes":1,"node_waits":1}
  empty:     {"local_hits":1}
