--TEST--
Nodes that ask for a user name and a password get them; no one else is told the password
--INI--
session.save_handler=clustered
clustered_session.username=web
clustered_session.password=s3cret
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$users = tempnam(sys_get_temp_dir(), 'clustered_session');
file_put_contents($users, "web:s3cret\n");
chmod($users, 0644);
$node = new Node("-Y $users");
$path = save_path($node);
ini_set('session.save_path', $path);
$id = session(null, function (&$data) { $data['n'] = 1; });
echo json_encode(seen_elsewhere($id, $path)), "\n", logged();

$masked = fn() => preg_replace('/127.0.0.1:\d+/', 'ADDRESS', preg_replace('/ after \d+ ms/', '', logged()));
foreach ([['clustered_session.password' => 'wr0ng'], ['clustered_session.username' => '']] as $ini) {
  echo seen_elsewhere($id, $path, $ini), "\n", $masked();
}
unlink($users);

// phpinfo() says that there is one.
ob_start();
phpinfo(INFO_MODULES);
$info = ob_get_clean();
preg_match_all('/^clustered_session\.(?:username|password).*/m', $info, $lines);
echo implode("\n", $lines[0]), "\n";
var_dump(str_contains($info, 's3cret'));
var_dump(ini_set('clustered_session.password', 'another'));
foreach (['username' => 'a:b', 'password' => 'tw0 words'] as $name => $value) {
  echo run_php('', [], ["clustered_session.$name" => $value]), logged();
}
?>
--EXPECTF--
{"n":1}
failed
clustered_session: node m1 (ADDRESS): refused the user name or password (clustered_session.username) [CS-NODE-REFUSES]
clustered_session: no node of session.save_path can be asked: changes exist only on this server until a node answers again, and sessions without a local copy do not start [CS-ALONE]
failed
clustered_session: node m1 (ADDRESS): asks for a user name and a password (clustered_session.username is not set) [CS-NODE-REFUSES]
clustered_session: no node of session.save_path can be asked: changes exist only on this server until a node answers again, and sessions without a local copy do not start [CS-ALONE]
clustered_session.password => ******** => ********
clustered_session.username => web => web
bool(false)
bool(false)
clustered_session: clustered_session.username: invalid value "a:b": must be at most 100 printable characters without spaces and colons; using none [CS-SETTING]
clustered_session: clustered_session.password: invalid value: must be at most 100 printable characters without spaces; using none [CS-SETTING]
