--TEST--
With write=behind one thread beside theirs writes what all threads leave behind, before the process ends
--INI--
session.save_handler=clustered
session.use_strict_mode=0
clustered_session.affinity=balancer
clustered_session.write=behind
clustered_session.operation_timeout=20s
clustered_session.connect_timeout=20s
clustered_session.flush_timeout=60s
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
$write = '
  session_id("behind-" . shared_add("sessions", 1) % 7);
  session_start();
  $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1;
  session_write_close();';
// Without another request of theirs.
$report = '
  shared_await("ended", 4);
  for ($tries = 0; clustered_session_status()["memory"]["unreplicated"] !== 0 && $tries < 20000; ++$tries) usleep(2000);
  $status = clustered_session_status();
  echo $status["memory"]["unreplicated"], " unreplicated\n";
  echo $status["counters"]["flushed"] > 0 ? "some" : "none", " flushed\n";';
// When the process ends, they may have been written or not.
$last = '
  shared_await("ended", 5);
  for ($i = 0; $i < 7; $i++) {
    session_id("behind-$i");
    session_start();
    $_SESSION["last"] = true;
    session_write_close();
  }';
echo threads(['session.save_path' => save_path($node)], 35, $write, 35, $write, 35, $write, 35, $write, 1, $report,
  1, $last);
$sum = 0;
$last = 0;
for ($i = 0; $i < 7; $i++) {
  $session = seen_elsewhere("behind-$i", save_path($node));
  $sum += $session['n'] ?? 0;
  $last += $session['last'] ?? 0;
}
echo "$sum of 140, $last of 7\n";
?>
--EXPECT--
0 unreplicated
some flushed
140 of 140, 7 of 7
