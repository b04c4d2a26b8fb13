--TEST--
Each thread has php.ini's settings, and what a script sets is for its own thread and request
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=0
clustered_session.affinity=balancer
clustered_session.server_id=threads-of-php
clustered_session.local_memory=2M
clustered_session.lock_wait=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_programs('timeout');
need_threads();
?>
--FILE--
<?php
require __DIR__ . '/zts_threads.inc';
// A thread takes php.ini's settings when it starts: what is set is set after that.
$all_run = 'shared_add("run", 1); shared_await("run", 3);';
$holder = $all_run . '
  session_id("held");
  session_start();
  shared_add("held", 1);
  shared_await("done", 3);
  session_write_close();
  $status = clustered_session_status();
  echo $status["server_id"], " ", $status["memory"]["bytes"] >> 20, "M\n";';
// In its first request without locks, in its second with php.ini's again.
$unlocked_once = $all_run . '
  shared_await("held", 1);
  if (shared_add("requests", 1) === 1) ini_set("clustered_session.lock", "none");
  session_id("held");
  echo ini_get("clustered_session.lock"), ": ", json_encode(@session_start()), "\n";
  shared_add("set", 1);
  if (shared_add("done", 1) === 1) shared_await("done", 2);
  session_abort();
  echo clustered_session_status()["server_id"], "\n";';
// While the other one's is set.
$locked = $all_run . '
  shared_await("set", 1);
  session_id("held");
  echo ini_get("clustered_session.lock"), ": ", json_encode(@session_start()), "\n";
  shared_add("done", 1);';
echo threads([], 1, $holder, 2, $unlocked_once, 1, $locked);
?>
--EXPECT--
threads-of-php 2M
none: true
threads-of-php
local: false
threads-of-php
local: false
