--TEST--
Two sessions of different names in one request: each has its own affinity cookie, and neither vouches for the other
--INI--
session.save_handler=clustered
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
// Counts up each session that the query names, in its order, each under the ID that its own cookie has.
$page = <<<'END'
  <?php
  $before = clustered_session_status()['counters']['node_waits'];
  foreach (explode(',', $_GET['open']) as $name) {
    session_name($name);
    session_id($_COOKIE[$name] ?? session_create_id());
    session_start();
    $counts[] = "$name=" . ($_SESSION['n'] = ($_SESSION['n'] ?? 0) + (isset($_GET['look']) ? 0 : 1));
    session_write_close();
  }
  echo implode(' ', $counts), ' waits=', clustered_session_status()['counters']['node_waits'] - $before;
  END;
$ini = ['session.save_path' => save_path(new Node(), new Node()), 'session.use_strict_mode' => '0',
  'clustered_session.takeover_grace' => '0'];
foreach (['a', 'b'] as $name) $web[$name] = new WebServer($page, 1, ['clustered_session.server_id' => $name] + $ini);
$cookies = [];
$steps = ['a SHOP', 'a LOGIN', 'b LOGIN', 'b LOGIN', 'a SHOP,LOGIN', 'b LOGIN', 'a SHOP', 'a LOGIN', 'a SHOP,LOGIN look',
  'a LOGIN,SHOP look', 'b SHOP,LOGIN', 'b LOGIN,SHOP look'];
foreach ($steps as $step) {
  [$server, $open, $look] = explode(' ', "$step ");
  $answer = $web[$server]->ask("open=$open" . ($look ? '&look' : ''), $cookies);
  $cookies = $answer->cookies + $cookies;
  $sent = array_filter($answer->cookies, fn($name) => str_ends_with($name, '_AT'), ARRAY_FILTER_USE_KEY);
  echo "$step: ", $look ? $answer->body : strstr($answer->body, ' waits', true);
  foreach ($sent as $name => $value) echo " $name=$value";
  echo "\n";
}
?>
--EXPECT--
a SHOP: SHOP=1 SHOP_AT=a.1
a LOGIN: LOGIN=1 LOGIN_AT=a.1
b LOGIN: LOGIN=2 LOGIN_AT=b.2
b LOGIN: LOGIN=3
a SHOP,LOGIN: SHOP=2 LOGIN=4 LOGIN_AT=a.3
b LOGIN: LOGIN=5 LOGIN_AT=b.4
a SHOP: SHOP=3
a LOGIN: LOGIN=6 LOGIN_AT=a.5
a SHOP,LOGIN look: SHOP=3 LOGIN=6 waits=0
a LOGIN,SHOP look: LOGIN=6 SHOP=3 waits=0
b SHOP,LOGIN: SHOP=4 LOGIN=7 SHOP_AT=b.2 LOGIN_AT=b.6
b LOGIN,SHOP look: LOGIN=7 SHOP=4 waits=0
