--TEST--
Threads share no connection: each has its own to its own nodes, and closes it when it ends
--INI--
session.save_handler=clustered
session.use_strict_mode=0
clustered_session.affinity=balancer
clustered_session.local_trust=0
clustered_session.operation_timeout=20s
clustered_session.connect_timeout=20s
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
need_threads();
?>
--FILE--
<?php
require __DIR__ . '/zts_threads.inc';
$node = new Node();
$other_node = new Node();
// Their number as the node counts them, that of the question included.
const CONNECTIONS = '
  function connections(int $port): int {
    $socket = stream_socket_client("tcp://127.0.0.1:$port");
    fwrite($socket, "stats\r\n");
    for ($connections = 0; ($line = rtrim((string) fgets($socket))) !== "END" && !feof($socket); ) {
      if (str_starts_with($line, "STAT curr_connections ")) $connections = (int) substr($line, 22);
    }
    return $connections;
  }';
eval(CONNECTIONS);
$before = connections($node->port);
// Each request has the session that all count in, then one of a few that are the threads' own now and then. In its last
// one a thread waits, so that all have their connections at once.
$count = fn(string $name) => '
  session_id("counting");
  session_start();
  $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1;
  session_write_close();
  session_id("own-" . shared_add("own", 1) % 4);
  session_start();
  $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1;
  $_SESSION["text"] = str_repeat("x", 3000);
  session_write_close();
  if (shared_add("requests of ' . $name . '", 1) === 40) {
    shared_add("last", 1);
    shared_await("counted", 1);
  }';
$report = CONNECTIONS . '
  shared_await("last", 4);
  echo "connections: ", connections(' . $node->port . ') - ' . $before . ', "\n";
  shared_add("counted", 1);
  session_id("counting");
  session_start(["read_and_close" => true]);
  echo $_SESSION["n"], " of 160\n";
  for ($sum = 0, $i = 0; $i < 4; $i++) {
    session_id("own-$i");
    session_start(["read_and_close" => true]);
    $sum += $_SESSION["n"];
  }
  echo "$sum of 160\n";
  shared_await("ended", 5);
  for ($tries = 0; connections(' . $node->port . ') - ' . $before . ' > 1 && $tries < 5000; $tries++) usleep(2000);
  echo "of this thread: ", connections(' . $node->port . ') - ' . $before . ', "\n";
  echo json_encode(array_intersect_key(clustered_session_status()["counters"],
    ["node_errors" => 0, "conflicts" => 0, "corrupt_records" => 0])), "\n";';
$elsewhere = '
  ini_set("session.save_path", "elsewhere=' . $other_node->address() . '");
  session_id("counting");
  session_start();
  echo json_encode(["nodes" => array_keys(clustered_session_status()["nodes"]), "session" => $_SESSION]), "\n";
  session_abort();';
echo threads(['session.save_path' => save_path($node)], 40, $count('a'), 40, $count('b'), 40, $count('c'),
  40, $count('d'), 1, $elsewhere, 1, $report);
?>
--EXPECT--
{"nodes":["elsewhere"],"session":[]}
connections: 4
160 of 160
160 of 160
of this thread: 1
{"conflicts":0,"node_errors":0,"corrupt_records":0}
