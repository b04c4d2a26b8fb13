--TEST--
clustered-session show: what nodes hold of a session, its content only with --data, and nothing that moves a terminal
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
if (!is_file(__DIR__ . '/../share/bin/clustered-session')) die('skip no share/bin/clustered-session');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$path = save_path(new Node(), new Node());
ini_set('session.save_path', $path);
function ask(string $words): string {
  $said = (new ChildProcess(php_command(escapeshellarg(dirname(__DIR__) . "/share/bin/clustered-session") . " $words",
    ['session.save_path' => $GLOBALS['path']])))->rest();
  return preg_replace(['/instance [0-9a-f]{16}/', '/"owner":"[0-9a-f]{16}"/'], ['instance I', '"owner":"I"'], $said);
}
session('one', function (&$data) { $data['word'] = "secret\x1b[2J"; });
session('two', function (&$data) { $data['word'] = "secret\xff"; });
echo ask('show one'), "-- with its content\n", ask('show one --data'), "-- for programs\n";
echo ask('--json show one'), ask('--json show --data one'), ask('show two --json --data');
echo "-- others have no such option's effect\n", ask('show nobody --data'), ask('show'), ask('show one --data=x');
?>
--EXPECT--
