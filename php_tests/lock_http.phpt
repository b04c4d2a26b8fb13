--TEST--
Two requests of one session at two workers of php -S: the second sees what the first wrote; with lock=none they overlap
--INI--
session.save_handler=clustered
session.save_path=
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_programs('timeout');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$page = <<<'END'
  <?php
  if (isset($_GET['status'])) exit(json_encode(clustered_session_status()['locks']));
  ini_set('clustered_session.lock', $_GET['lock'] ?? 'local');
  if (isset($_GET['mark'])) touch("$_GET[mark].second");
  session_start();
  $seen = $_SESSION['n'] ?? 0;
  if (isset($_GET['gate'])) {
    touch("$_GET[gate].in");
    for ($i = 0; $i < 10000 && !file_exists("$_GET[gate].go"); ++$i) { usleep(1000); clearstatcache(); }
  }
  $_SESSION['n'] = $seen + 1;
  session_write_close();
  echo $seen;
  END;
$server = new WebServer($page, 3);
$gate = tempnam(sys_get_temp_dir(), 'clustered_session');
$cookies = $server->ask()->cookies;
foreach (['local', 'none'] as $lock) {
  $first = $server->send("lock=$lock&gate=" . rawurlencode($gate), $cookies);
  await(fn() => file_exists("$gate.in"), 'the first request');
  $second = $server->send("lock=$lock&mark=" . rawurlencode($gate), $cookies);
  // Only then does its worker accept no other connection, which would wait behind it.
  await(fn() => file_exists("$gate.second"), 'the second request');
  if ($lock === 'local') {
    await(fn() => json_decode($server->ask('status')->body)->waiting === 1, 'the second request to wait');
  } else {
    echo 'second: ', WebServer::read($second)->body, "\n";
  }
  touch("$gate.go");
  echo 'first: ', WebServer::read($first)->body, "\n";
  if ($lock === 'local') echo 'second: ', WebServer::read($second)->body, "\n";
  unlink("$gate.in");
  unlink("$gate.go");
  unlink("$gate.second");
}
unlink($gate);
?>
--EXPECT--
first: 1
second: 2
second: 3
first: 3
