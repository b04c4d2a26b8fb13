--TEST--
exit in __unserialize() while PHP decodes the session leaves the session as it was
--INI--
session.save_handler=clustered
session.use_strict_mode=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--XFAIL--
PHP calls such a session decoded and writes it at the end of the request, with any save handler
--FILE--
<?php
require __DIR__ . '/support.inc';
$path = save_path(new Node(), new Node());
$class = 'class Thing { public $text = "lost";
  function __unserialize(array $data): void { %s; $this->text = $data["text"]; } }';
$whole = sprintf($class, '');
$make = "$whole session_start(); \$_SESSION['thing'] = new Thing();
  \$_SESSION['thing']->text = 'kept'; echo session_id();";
$id = run_php($make, [], ['session.save_path' => $path]);
run_php(sprintf($class, 'exit') . 'session_id($argv[1]); session_start();', [$id], ['session.save_path' => $path]);
echo run_php("$whole session_id(\$argv[1]); session_start(); echo json_encode(\$_SESSION);", [$id],
  ['session.save_path' => $path]);
?>
--EXPECT--
{"thing":{"text":"kept"}}
