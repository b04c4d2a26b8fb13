--TEST--
A thread that dies in the middle of a request frees its session for the sibling that waits for it
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
if (getenv('CLUSTERED_SESSION_ZTS_MODULE')) die('skip the thread sanitizer waits for dead threads');
?>
--FILE--
<?php
require __DIR__ . '/zts_threads.inc';
$dies = '
  session_id("held");
  session_start();
  $_SESSION["n"] = 1;
  session_write_close();
  session_start();
  $_SESSION["n"] = 2;
  shared_add("held", 1);
  while (clustered_session_status()["locks"]["waiting"] !== 1) usleep(1000);
  die_as_thread();';
$waits = '
  shared_await("held", 1);
  session_id("held");
  var_dump(session_start());
  echo json_encode($_SESSION), "\n";
  $_SESSION["n"] = 3;
  session_write_close();
  session_start();
  echo json_encode($_SESSION), "\n";
  session_write_close();
  $status = clustered_session_status();
  echo json_encode([$status["counters"]["lock_takeovers"], $status["locks"]["held"]]), "\n";';
echo threads(['clustered_session.lock_wait' => '120s'], 1, $dies, 1, $waits);
?>
--EXPECT--
bool(true)
{"n":1}
{"n":3}
[1,0]
