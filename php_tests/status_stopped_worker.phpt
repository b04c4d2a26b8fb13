--TEST--
Status, metrics and the status page answer while a stopped worker holds a part of the local memory, and say what they lack
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=0
clustered_session.lock=none
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_functions('pcntl_fork');
if (!is_file(__DIR__ . '/../share/status.php')) die('skip no share/status.php');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$_SERVER['REMOTE_ADDR'] = '203.0.113.1';  // who may read nothing: only the page's functions are wanted
require __DIR__ . '/../share/status.php';
ob_clean();
http_response_code(200);
session('large', function (&$data) { $data['text'] = str_repeat('x', 4_000_000); });
$busy = static fn() => clustered_session_status()['memory']['busy_parts'];
$metric = static fn(string $name) => preg_match("/^clustered_session_$name (\S+)$/m", clustered_session_metrics(), $found) ? $found[1] : 'none';
echo $busy(), ' busy, ', $metric('local_memory_busy_parts'), ', used ', $metric('local_memory_used_bytes') > 4_000_000 ? 'told' : 'wrong', "\n";

// Most of the time it copies the session, under the lock of its part of the memory.
$worker = pcntl_fork();
if ($worker === 0) {
  for (;;) {
    session_id('large');
    session_start();
    session_abort();
  }
}
try {
  await(static function () use ($worker, $busy) {
    exec("kill -s STOP $worker");
    if ($busy() === 1) return true;
    exec("kill -s CONT $worker");
    usleep(1000);
  }, 'the worker to be stopped with a lock');
  $status = clustered_session_status();
  echo $status['memory']['busy_parts'], ' busy, ', $metric('local_memory_busy_parts'), ', used ', $metric('local_memory_used_bytes'),
    ', entries ', $metric('local_entries'), ', whole ', json_encode($status['repair']['whole']), "\n";
  foreach (ClusteredSession\StatusPage\findings($status) as $finding) if (str_contains($finding[1], 'stopped worker')) echo "$finding[0]: $finding[1]\n";
} finally {
  exec("kill -s CONT $worker; kill -s KILL $worker");
  pcntl_waitpid($worker, $code);
}
echo $busy(), ' busy, used ', $metric('local_memory_used_bytes') > 4_000_000 ? 'told' : 'wrong', "\n";
?>
--EXPECT--
0 busy, 0, used told
1 busy, 1, used none, entries 1, whole false
critical: A stopped worker holds 1 parts of the local memory.
0 busy, used told
