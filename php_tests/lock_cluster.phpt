--TEST--
lock=cluster: requests of one session on two web servers take turns, so that no count is lost
--INI--
session.save_handler=clustered
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_programs('memcached', 'timeout');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
const REQUESTS = 30;  // to each server
$nodes = [new Node(), new Node()];
$ini = ['session.save_path' => save_path(...$nodes), 'session.use_strict_mode' => '1',
  'clustered_session.lock' => 'cluster', 'clustered_session.server_id' => 'web1'];
$page = <<<'END'
  <?php
  if (isset($_GET['status'])) exit(json_encode(clustered_session_status()));
  if (!session_start()) exit('failed');
  $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
  $_SESSION['by'][clustered_session_status()['server_id']] ??= 0;
  $_SESSION['by'][clustered_session_status()['server_id']]++;
  session_write_close();
  echo $_SESSION['n'];
  END;
$servers = [new WebServer($page, 3, $ini),
  new WebServer($page, 3, ['clustered_session.server_id' => 'web2'] + $ini)];
$cookies = $servers[0]->ask()->cookies;
$sent = [];
for ($i = 0; $i < REQUESTS; ++$i) {
  foreach ($servers as $server) $sent[] = $server->send('', $cookies);
}
$seen = array_map(fn($socket) => (int) WebServer::read($socket)->body, $sent);
sort($seen);
var_dump($seen === range(2, 2 * REQUESTS + 1));
$last = seen_elsewhere($cookies['PHPSESSID'], save_path(...$nodes));
ksort($last['by']);
echo json_encode($last), "\n";
foreach ($servers as $server) {
  $counters = json_decode($server->ask('status')->body)->counters;
  var_dump($counters->conflicts, $counters->lock_lost, $counters->lock_timeouts, $counters->local_hits);
  var_dump($counters->lock_waits > 0);
}
?>
--EXPECT--
bool(true)
{"n":61,"by":{"web1":31,"web2":30}}
int(0)
int(0)
int(0)
int(0)
bool(true)
int(0)
int(0)
int(0)
int(0)
bool(true)
