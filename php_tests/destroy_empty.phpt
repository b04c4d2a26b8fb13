--TEST--
An empty session that is destroyed, or given a new ID, leaves nothing on the nodes
--INI--
session.save_handler=clustered
session.use_strict_mode=1
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
  session_start();
  switch ($_GET['do'] ?? '') {
    case 'destroy': session_destroy(); break;
    case 'unset': $_SESSION['n'] = 1; session_unset(); session_destroy(); break;
    case 'login': session_regenerate_id(true); $_SESSION['user'] = 'ada'; break;
    case 'regenerate': session_regenerate_id(true); break;
  }
  echo session_id();
  END;
$nodes = [new Node(), new Node(), new Node()];
$ini = ['session.save_path' => save_path(...$nodes)];
$a = new WebServer($page, 1, $ini);
$b = new WebServer($page, 1, ['clustered_session.server_id' => 'b'] + $ini);
$items = fn() => array_sum(array_map(fn($node) => count($node->keys()), $nodes));
foreach (['destroy', 'unset', 'regenerate'] as $what) {
  $a->ask("do=$what");  // a bot
  $visitor = $a->ask()->cookies;
  $other = $a->ask()->cookies;
  $a->ask("do=$what", $visitor);
  echo "$what: ", $items(), " items, ";
  // It is over, and the other one is not.
  echo $a->ask('', $visitor)->body === $visitor['PHPSESSID'] ? 'there' : 'gone', ', ';
  echo $a->ask('', $other)->body === $other['PHPSESSID'] ? "the other is there\n" : "the other is gone\n";
}
$visitor = $a->ask()->cookies;
$cookies = $a->ask('do=login', $visitor)->cookies + $visitor;
echo 'login: ', $items(), " items\n";
// What was on a node, or may be, is destroyed there.
$b->ask('do=destroy', $cookies);
echo 'logout: ', $items(), " items\n";
?>
--EXPECT--
destroy: 0 items, gone, the other is there
unset: 0 items, gone, the other is there
regenerate: 0 items, gone, the other is there
login: 2 items
logout: 3 items
