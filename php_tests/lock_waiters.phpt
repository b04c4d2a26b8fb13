--TEST--
Beyond lock_waiters_max requests of one session fail at once, those of others do not; with lock=local and lock=cluster
--INI--
clustered_session.connect_timeout=20s
clustered_session.operation_timeout=20s
session.save_handler=clustered
session.use_strict_mode=0
clustered_session.lock_waiters_max=2
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$page = <<<'END'
  <?php
  if (isset($_GET['status'])) {
    $status = clustered_session_status();
    exit(json_encode($status['locks'] + ['refusals' => $status['counters']['lock_refusals']]));
  }
  ini_set('session.save_path', $_GET['path']);
  ini_set('clustered_session.lock', $_GET['lock']);
  if (isset($_GET['mark'])) touch("$_GET[mark]");
  session_id($_GET['id']);
  set_error_handler(fn($level, $message) => exit($message));
  session_start();
  if (isset($_GET['gate'])) {
    touch("$_GET[gate].in");
    for ($i = 0; $i < 20000 && !file_exists("$_GET[gate].go"); ++$i) { usleep(1000); clearstatcache(); }
  }
  $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
  session_write_close();
  echo $_SESSION['n'];
  END;
$nodes = [new Node(), new Node()];
$other_nodes = [new Node()];
$server = new WebServer($page, 6);
$query = fn($lock, $id, $nodes, $more = []) =>
  http_build_query(['lock' => $lock, 'id' => "$id-$lock", 'path' => save_path(...$nodes)] + $more);
$status = fn() => json_decode($server->ask('status')->body);
$gate = tempnam(sys_get_temp_dir(), 'clustered_session');
$files = ["$gate.in", "$gate.go", "$gate.1", "$gate.2"];
register_shutdown_function(fn() => array_map('unlink', array_filter([$gate, ...$files], 'file_exists')));
foreach (['local', 'cluster'] as $lock) {
  $running = [$server->send($query($lock, 'one', $nodes, ['gate' => $gate]))];
  await(fn() => file_exists("$gate.in"), 'the first request');
  foreach ([1, 2] as $i) {
    $running[] = $server->send($query($lock, 'one', $nodes, ['mark' => "$gate.$i"]));
    // Only then does its worker accept no other connection, which would wait behind it.
    await(fn() => file_exists("$gate.$i"), 'the next request');
    await(fn() => $status()->waiting === $i, 'it to wait');
  }
  echo $server->ask($query($lock, 'one', $nodes))->body, "\n";
  echo 'another session: ', $server->ask($query($lock, 'other', $nodes))->body, "\n";
  echo 'another pool: ', $server->ask($query($lock, 'one', $other_nodes))->body, "\n";
  touch("$gate.go");
  foreach ($running as $i => $request) echo "$i: ", WebServer::read($request)->body, "\n";
  echo 'afterwards: ', $server->ask($query($lock, 'one', $nodes))->body, ', refusals: ', $status()->refusals, "\n";
  foreach ($files as $file) unlink($file);
}
?>
--EXPECT--
session_start(): session lock refused: 2 requests of this session wait for it already (clustered_session.lock_waiters_max) [CS-LOCK-WAITERS]
another session: 1
another pool: 1
0: 1
1: 2
2: 3
afterwards: 4, refusals: 1
session_start(): session lock refused: 2 requests of this session wait for it already (clustered_session.lock_waiters_max) [CS-LOCK-WAITERS]
another session: 1
another pool: 1
0: 1
1: 2
2: 3
afterwards: 4, refusals: 2
