--TEST--
Threads that count in one session lose nothing, and are in it one at a time
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=0
clustered_session.affinity=balancer
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_programs('timeout');
need_threads();
?>
--FILE--
<?php
require __DIR__ . '/zts_threads.inc';
$count = '
  session_id("counting");
  if (!session_start()) return;
  if (shared_add("inside", 1) !== 1) echo "two threads are in one session\n";
  $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1;
  usleep(50);
  shared_add("inside", -1);
  session_write_close();
  shared_add("done", 1);';
$result = '
  shared_await("done", 400);
  session_id("counting");
  session_start(["read_and_close" => true]);
  echo $_SESSION["n"], " of 400\n";
  $status = clustered_session_status();
  echo "lock waits: ", $status["counters"]["lock_waits"] > 0 ? "some" : "none", "\n";
  echo json_encode(array_intersect_key($status["counters"], ["lock_timeouts" => 0, "lock_takeovers" => 0])), "\n";
  echo json_encode([$status["locks"]["held"], $status["locks"]["waiting"]]), "\n";';
echo threads([], 50, $count, 50, $count, 50, $count, 50, $count, 50, $count, 50, $count, 50, $count, 50, $count,
  1, $result);
?>
--EXPECT--
400 of 400
lock waits: some
{"lock_timeouts":0,"lock_takeovers":0}
[0,0]
