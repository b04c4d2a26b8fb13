--TEST--
session_regenerate_id(true) whose new session cannot be written: the old one stays, as the warning says
--INI--
session.save_handler=clustered
session.use_strict_mode=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$path = save_path(new Node(item_size_max(1024, 512)));
ini_set('session.save_path', $path);
$code = <<<'END'
  session_start();
  $_SESSION['user'] = 'ada';
  echo session_id(), "\n";
  session_write_close();
  session_start();
  session_regenerate_id(true);
  $_SESSION['big'] = str_repeat('x', 5000);
  echo session_id(), "\n";
  END;
$output = run_php($code, [], ['session.save_path' => $path]);
[$old, $new, $message] = explode("\n", $output, 3);
echo strtr($message, [$old => 'OLD', $new => 'NEW']), "\n";
foreach ([$old, $new] as $id) echo json_encode(seen_elsewhere($id, $path)), "\n";
?>
--EXPECTF--
%AWarning: %s: a session of %d bytes is too large for node m1 (item_size_max 1024 bytes; memcached -I raises it): it was not saved, the one before stays [CS-TOO-LARGE] in Unknown on line 0
%A
{"user":"ada"}
[]
