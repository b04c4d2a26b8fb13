--TEST--
A thread's lock is its own: siblings wait for it or are refused, and have their own sessions meanwhile
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
$holder = '
  session_id("held");
  session_start();
  shared_add("held", 1);
  echo "another session while this one is held: ", shared_await("other", 10) ? "served" : "waits", "\n";
  echo "the same session: ", shared_await("refused", 1) ? "refused" : "waits", "\n";
  while (clustered_session_status()["locks"]["waiting"] !== 1) usleep(1000);
  $_SESSION["by"] = "the holder";
  echo json_encode($_SESSION), "\n";
  session_write_close();';
$other = '
  shared_await("held", 1);
  session_id("another");
  session_start();
  $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1;
  session_write_close();
  shared_add("other", 1);';
$hasty = '
  shared_await("held", 1);
  ini_set("clustered_session.lock_wait", "0");
  session_id("held");
  var_dump(session_start(), session_status() === PHP_SESSION_NONE);
  shared_add("refused", 1);';
$patient = '
  shared_await("refused", 1);
  session_id("held");
  var_dump(session_start());
  echo json_encode($_SESSION), "\n";
  session_write_close();
  var_dump(clustered_session_status()["locks"]["held"]);';
echo threads([], 1, $holder, 10, $other, 1, $hasty, 1, $patient);
?>
--EXPECTF--
another session while this one is held: served
the same session: refused
{"by":"the holder"}

Warning: session_start(): session lock not free within clustered_session.lock_wait (0): another request of this session still runs [CS-LOCK-WAIT] in thread on line %d

Warning: session_start(): Failed to read session data: clustered (path: ) in thread on line %d
bool(false)
bool(true)
bool(true)
{"by":"the holder"}
int(0)
