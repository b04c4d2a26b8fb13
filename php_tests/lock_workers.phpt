--TEST--
The session lock between workers of one server: the second waits, a late one fails, a dead one blocks nobody
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_programs('timeout');
need_functions('pcntl_fork');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
// Children of one parent are workers of one server. Each tells what it does by lines into a pipe.
function worker(callable $work): array {
  [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
  $pid = pcntl_fork();
  if ($pid === 0) {
    fclose($ours);
    ob_end_clean();
    ob_start();
    try {
      $work(fn(string $line) => fwrite($theirs, "$line\n"), fn() => fgets($theirs));
    } finally {
      session_abort();
      fclose($theirs);
      exec('kill -s KILL ' . getmypid());  // no shutdown functions of the parent here
    }
  }
  fclose($theirs);
  return [$pid, $ours];
}
$usage = fn() => clustered_session_status()['locks'];
$said = fn($worker) => rtrim(fgets($worker[1]), "\n");
$hold = function ($say, $hear) {
  session_id('shared-session');
  session_start();
  $say('holds ' . ($_SESSION['n'] ?? 0));
  $hear();
  $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
  session_write_close();
  $say('closed');
};

echo "-- the second waits until the first closes\n";
$first = worker($hold);
echo $said($first), "\n";
$second = worker($hold);
await(fn() => $usage()['waiting'] === 1, 'the second worker to wait');
var_dump($usage()['held']);
fwrite($first[1], "go on\n");
echo $said($first), "\n", $said($second), "\n";
fwrite($second[1], "go on\n");
echo $said($second), "\n";
foreach ([$first, $second] as [$pid]) pcntl_waitpid($pid, $status);
echo json_encode(counters('lock_waits', 'lock_timeouts', 'lock_takeovers')), "\n";

echo "-- lock_wait=0 fails at once, another session does not\n";
$first = worker($hold);
echo $said($first), "\n";
ini_set('clustered_session.lock_wait', 0);
session_id('shared-session');
$start = hrtime(true);
var_dump(session_start(), session_status() === PHP_SESSION_NONE, hrtime(true) - $start < 5e9);
session_id('another-session');
var_dump(session_start());
session_write_close();
ini_set('clustered_session.lock', 'none');
session_id('shared-session');
var_dump(session_start(), $_SESSION['n']);
session_abort();
ini_restore('clustered_session.lock');
echo "-- a holder that is killed frees its lock at once\n";
ini_restore('clustered_session.lock_wait');
exec("kill -s KILL $first[0]");
pcntl_waitpid($first[0], $status);
session_id('shared-session');
$start = hrtime(true);
var_dump(session_start(), $_SESSION['n'], hrtime(true) - $start < 5e9);
$_SESSION['n'] = 10;
session_write_close();
var_dump($usage()['held'], $usage()['waiting']);

echo "-- also while another one waits for it\n";
$first = worker($hold);
echo $said($first), "\n";
$second = worker($hold);
await(fn() => $usage()['waiting'] === 1, 'the second worker to wait');
exec("kill -s KILL $first[0]");
echo $said($second), "\n";
fwrite($second[1], "go on\n");
echo $said($second), "\n";
foreach ([$first, $second] as [$pid]) pcntl_waitpid($pid, $status);
var_dump($usage()['held'], $usage()['waiting']);
?>
--EXPECTF--
-- the second waits until the first closes
holds 0
int(1)
closed
holds 1
closed
{"lock_waits":1,"lock_timeouts":0,"lock_takeovers":0}
-- lock_wait=0 fails at once, another session does not
holds 2

Warning: session_start(): session lock not free within clustered_session.lock_wait (0): another request of this session still runs [CS-LOCK-WAIT] in %s on line %d

Warning: session_start(): Failed to read session data: clustered (path: ) in %s on line %d
bool(false)
bool(true)
bool(true)
bool(true)
bool(true)
int(2)
-- a holder that is killed frees its lock at once
bool(true)
int(2)
bool(true)
int(0)
int(0)
-- also while another one waits for it
holds 10
holds 10
closed
int(0)
int(0)
