--TEST--
Nodes that ask for SASL get a user name and a password; no one else is told the password
--INI--
session.save_handler=clustered
clustered_session.authentication=sasl
clustered_session.username=web
clustered_session.password=s3cret
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_sasl();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$path = save_path(Node::withSasl('web', 's3cret'), Node::withSasl('web', 's3cret'));
ini_set('session.save_path', $path);
$id = session(null, function (&$data) { $data['n'] = 1; });
echo json_encode(seen_elsewhere($id, $path)), "\n";
session($id, function (&$data) { $data['bytes'] = str_repeat("a\0b", 100000); });
var_dump(seen_elsewhere($id, $path)['bytes'] === str_repeat("a\0b", 100000));
echo logged();

$masked = function () {
  $lines = explode("\n", trim(preg_replace('/127.0.0.1:\d+/', 'ADDRESS', preg_replace('/ after \d+ ms/', '', logged()))));
  sort($lines);
  return implode("\n", $lines) . "\n";
};
foreach (['password' => 'wr0ng', 'authentication' => 'text'] as $name => $value) {
  echo "$name: ", seen_elsewhere($id, $path, ["clustered_session.$name" => $value]), "\n", $masked();
}
echo trim(run_php('session_start();', [], ['clustered_session.username' => '', 'session.save_path' => $path])), "\n";

ob_start();
phpinfo(INFO_MODULES);
$info = ob_get_clean();
preg_match_all('/^clustered_session\.(?:authentication|username|password).*/m', $info, $lines);
echo implode("\n", $lines[0]), "\n";
var_dump(str_contains($info, 's3cret'));
logged();
echo run_php('', [], ['clustered_session.authentication' => 'plain']), logged();
?>
--EXPECTF--
{"n":1}
bool(true)
password: failed
clustered_session: no node of session.save_path can be asked: changes exist only on this server until a node answers again, and sessions without a local copy do not start [CS-ALONE]
clustered_session: node m1 (ADDRESS): refused the user name or password (clustered_session.username) [CS-NODE-REFUSES]
clustered_session: node m2 (ADDRESS): refused the user name or password (clustered_session.username) [CS-NODE-REFUSES]
authentication: failed
clustered_session: no node of session.save_path can be asked: changes exist only on this server until a node answers again, and sessions without a local copy do not start [CS-ALONE]
clustered_session: node m1 (ADDRESS): %s
clustered_session: node m2 (ADDRESS): %s
Warning: session_start(): clustered_session.authentication = sasl needs clustered_session.username, which is not set [CS-SAVE-PATH] in Command line code on line 1

Warning: session_start(): Failed to initialize storage module: clustered (path: %s) in Command line code on line 1
clustered_session.authentication => sasl => sasl
clustered_session.password => ******** => ********
clustered_session.username => web => web
bool(false)
clustered_session: clustered_session.authentication: invalid value "plain": must be text or sasl; using text [CS-SETTING]
