--TEST--
lock=cluster: a holder that is killed frees the session at once for its own server, after a lease for others
--INI--
session.save_handler=clustered
session.use_strict_mode=0
session.use_cookies=0
clustered_session.server_id=web1
clustered_session.lock=cluster
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_programs('memcached', 'timeout');
need_functions('pcntl_fork');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$node = new Node();
ini_set('session.save_path', save_path($node));
// Another worker of this server, which holds the session until it is killed. Returns its number.
function holder(string $id): int {
  [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
  $pid = pcntl_fork();
  if ($pid === 0) {
    session_id($id);
    session_start();
    fwrite($theirs, "holds\n");
    fgets($theirs);  // until the test ends, should it not be killed before
    exec('kill -s KILL ' . getmypid());
  }
  fclose($theirs);
  $GLOBALS['holders'][] = $ours;
  if (fgets($ours) !== "holds\n") throw new RuntimeException('no lock');
  return $pid;
}
function kill(int $pid): void {
  exec("kill -s KILL $pid");
  pcntl_waitpid($pid, $status);
}
$increment = function (&$data) { $data['n'] = ($data['n'] ?? 0) + 1; };
$elsewhere = 'session_id($argv[1]);
  $said = "";
  set_error_handler(function ($level, $text) use (&$said) { $said = $said ?: "$text\n"; });
  $ok = session_start();
  ob_end_clean();
  echo $said;
  if ($ok) $_SESSION["n"]++;
  session_write_close();
  echo $ok ? $_SESSION["n"] : "failed", " waits ", clustered_session_status()["counters"]["lock_waits"], "\n";';
$other_server = ['session.save_path' => save_path($node), 'clustered_session.server_id' => 'web2'];

$id = session('shared-session', $increment);
echo "-- another server waits for a lease\n";
$pid = holder($id);
$output = run_php($elsewhere, [$id], $other_server + ['clustered_session.lock_wait' => '100ms']);
echo str_replace("process $pid ", 'process PID ', $output);
kill($pid);
$start = hrtime(true);
echo run_php($elsewhere, [$id], $other_server);
$waited_s = (hrtime(true) - $start) / 1e9;
var_dump($waited_s > 10);

echo "-- this one does not\n";
$pid = holder($id);
kill($pid);
echo json_encode(array_intersect_key(counted(fn() => session($id, $increment)),
  ['lock_waits' => 0, 'lock_timeouts' => 0, 'writes' => 0, 'conflicts' => 0])), "\n";

echo "-- and leaves no lock behind\n";
echo run_php($elsewhere, [$id], $other_server + ['clustered_session.lock_wait' => '0']);
?>
--EXPECT--
-- another server waits for a lease
session_start(): session lock not free within clustered_session.lock_wait (100ms): process PID of server web1 has it [CS-LOCK-WAIT]
failed waits 1
2 waits 1
bool(true)
-- this one does not
{"writes":1}
-- and leaves no lock behind
4 waits 0
