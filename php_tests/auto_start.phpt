--TEST--
session.auto_start, over requests and over servers
--INI--
session.save_handler=clustered
session.auto_start=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$page = '<?php $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1;
  echo $_SESSION["n"], session_status() === PHP_SESSION_ACTIVE ? " active" : "";';
$ini = ['session.save_path' => save_path(new Node(), new Node()), 'session.auto_start' => '1'];
$servers = [new WebServer($page, 1, ['clustered_session.server_id' => 'a'] + $ini),
            new WebServer($page, 1, ['clustered_session.server_id' => 'b'] + $ini)];
$cookies = [];
foreach ([0, 0, 1, 1, 0] as $i) {
  $answer = $servers[$i]->ask('', $cookies);
  $cookies = $answer->cookies + $cookies;
  echo $answer->body, ' ', $cookies['PHPSESSID_AT'], "\n";
}
?>
--EXPECT--
1 active a.1
2 active a.1
3 active b.2
4 active b.2
5 active a.3
