--TEST--
Network waits of requests over HTTP, by the handler's counter and by proxies that count turns
--INI--
session.save_handler=clustered
clustered_session.server_id=a
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
  $before = clustered_session_status()['counters']['node_waits'];
  ini_set('session.use_strict_mode', $_GET['strict'] ?? 0);
  $options = isset($_GET['close']) ? ['read_and_close' => true] : [];
  if (!session_start($options)) exit('failed');
  if (isset($_GET['set'])) $_SESSION['n'] = $_GET['set'];
  if (isset($_GET['empty'])) unset($_SESSION['empty']);
  if (!$options) session_write_close();
  echo json_encode($_SESSION), ' ', clustered_session_status()['counters']['node_waits'] - $before;
  END;
$nodes = [new Node(), new Node()];
$proxies = array_map(fn($node) => new CountingProxy($node), $nodes);
// A thread that watches the nodes would be seen by the proxies.
$ini = ['session.save_path' => save_path(...array_column($proxies, 'port')), 'clustered_session.repair_rate' => '0',
  'clustered_session.news_interval' => '0'];
$a = new WebServer($page, 1, $ini);
$b = new WebServer($page, 1, ['clustered_session.server_id' => 'b'] + $ini);

// Waits are what the slower proxy saw: both nodes are asked at once.
$ask = function (string $what, WebServer $server, string $query, array $cookies) use ($proxies): array {
  $before = array_map(fn($proxy) => $proxy->turns(), $proxies);
  $answer = $server->ask($query, $cookies);
  $turns = array_map(fn($proxy, $n) => $proxy->turns() - $n, $proxies, $before);
  [$seen, $waits] = explode(' ', $answer->body);
  echo str_pad("$what:", 45), "$seen waits $waits, turns ", max($turns), "\n";
  return $answer->cookies + $cookies;
};
$ask('new and empty', $a, '', []);
$ask('unknown ID, strict', $a, 'strict=1', ['PHPSESSID' => 'nobody-knows-this-one-m1']);
$ask('unknown ID', $a, '', ['PHPSESSID' => 'nobody-knows-this-one-m1']);
$cookies = $ask('new and changed', $a, 'set=1', []);
$ask('unchanged, affinity shown', $a, '', $cookies);
$ask('unchanged, affinity shown, strict', $a, 'strict=1', $cookies);
$ask('changed, affinity shown', $a, 'set=2', $cookies);
$ask('read_and_close, affinity shown', $a, 'close', $cookies);
$without = array_diff_key($cookies, ['PHPSESSID_AT' => 0]);
$ask('unchanged, no affinity', $a, '', $without);
$ask('unchanged, no affinity, strict', $a, 'strict=1', $without);
$ask('changed, no affinity', $a, 'set=3', $without);
$ask('unchanged, foreign affinity', $a, '', ['PHPSESSID_AT' => 'c.1'] + $cookies);
$ask('unchanged, later affinity', $a, '', ['PHPSESSID_AT' => 'a.7'] + $cookies);
$ask('unchanged, garbage affinity', $a, '', ['PHPSESSID_AT' => 'a.x'] + $cookies);
$cookies = $ask('takeover, changed', $b, 'set=4', $cookies);
$ask('in the grace after a takeover, unchanged', $b, '', $cookies);
$cookies = $ask('back again, takeover, unchanged', $a, '', $cookies);
$cookies = $ask('takeover, strict', $b, 'strict=1', $cookies);
$cookies = $ask('takeover, read_and_close', $a, 'close', $cookies);
?>
--EXPECT--
new and empty:                               [] waits 0, turns 0
unknown ID, strict:                          [] waits 1, turns 1
unknown ID:                                  [] waits 1, turns 1
new and changed:                             {"n":"1"} waits 1, turns 1
unchanged, affinity shown:                   {"n":"1"} waits 0, turns 0
unchanged, affinity shown, strict:           {"n":"1"} waits 0, turns 0
changed, affinity shown:                     {"n":"2"} waits 1, turns 1
read_and_close, affinity shown:              {"n":"2"} waits 0, turns 0
unchanged, no affinity:                      {"n":"2"} waits 1, turns 1
unchanged, no affinity, strict:              {"n":"2"} waits 1, turns 1
changed, no affinity:                        {"n":"3"} waits 2, turns 2
unchanged, foreign affinity:                 {"n":"3"} waits 1, turns 1
unchanged, later affinity:                   {"n":"3"} waits 1, turns 1
unchanged, garbage affinity:                 {"n":"3"} waits 1, turns 1
takeover, changed:                           {"n":"4"} waits 2, turns 2
in the grace after a takeover, unchanged:    {"n":"4"} waits 1, turns 1
back again, takeover, unchanged:             {"n":"4"} waits 2, turns 2
takeover, strict:                            {"n":"4"} waits 2, turns 2
takeover, read_and_close:                    {"n":"4"} waits 2, turns 2
