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
  // In which order the nodes are asked follows from their names and the ID.
  return preg_replace(['/instance [0-9a-f]{16}/', '/"owner":"[0-9a-f]{16}"/', '/\bm[12]\b/'], ['instance I', '"owner":"I"', 'mN'], $said);
}
session('one', function (&$data) { $data['word'] = "secret\x1b[2J"; });
session('two', function (&$data) { $data['word'] = "secret\xff"; });
echo ask('show one'), "-- with its content\n", ask('show one --data'), "-- for programs\n";
echo ask('--json show one'), ask('--json show --data one'), ask('show two --json --data');
echo "-- others have no such option's effect\n", ask('show nobody --data'), ask('show'), ask('show one --data=x');
?>
--EXPECT--
mN: version 1, 23 bytes, lifetime 1440 s, of server instance I
mN: version 1, 23 bytes, lifetime 1440 s, of server instance I
-- with its content
mN: version 1, 23 bytes, lifetime 1440 s, of server instance I
mN: version 1, 23 bytes, lifetime 1440 s, of server instance I

On mN, mN:
word|s:10:"secret?[2J";
-- for programs
{"nodes":{"mN":{"should_hold":true,"holds":"session","version":1,"epoch":1,"owner":"I","lifetime":1440,"bytes":23},"mN":{"should_hold":true,"holds":"session","version":1,"epoch":1,"owner":"I","lifetime":1440,"bytes":23}}}
{"nodes":{"mN":{"should_hold":true,"holds":"session","version":1,"epoch":1,"owner":"I","lifetime":1440,"bytes":23,"content":"word|s:10:\"secret\u001b[2J\";"},"mN":{"should_hold":true,"holds":"session","version":1,"epoch":1,"owner":"I","lifetime":1440,"bytes":23,"content":"word|s:10:\"secret\u001b[2J\";"}}}
{"nodes":{"mN":{"should_hold":true,"holds":"session","version":1,"epoch":1,"owner":"I","lifetime":1440,"bytes":19,"content_base64":"d29yZHxzOjc6InNlY3JldP8iOw=="},"mN":{"should_hold":true,"holds":"session","version":1,"epoch":1,"owner":"I","lifetime":1440,"bytes":19,"content_base64":"d29yZHxzOjc6InNlY3JldP8iOw=="}}}
-- others have no such option's effect
mN: nothing
mN: nothing
clustered-session: show takes one ID; clustered-session --help
clustered-session: --data=x is no option; clustered-session --help
