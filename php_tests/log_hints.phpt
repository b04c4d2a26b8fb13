--TEST--
The log says once what is likely to be wrong: a save_path without quotes, a session.gc_maxlifetime of 0
--INI--
session.save_handler=clustered
--FILE--
<?php
require __DIR__ . '/support.inc';
$code = 'for ($i = 0; $i < 3; $i++) { session_start(); $_SESSION["n"] = $i; session_write_close(); }';
function say(string $what): void {
  $known = ['/ after [\d.]+ ms/' => '', '/node \w+ \(/' => 'node N (', '/resolve its name: [^;]*?;/' => 'resolve its name: WHY;'];
  echo "$what\n", preg_replace(array_keys($known), $known, logged());
}
// What PHP makes of it: the rest of php.ini is gone.
$ini_file = tempnam(sys_get_temp_dir(), 'clustered_session');
file_put_contents($ini_file, "session.save_path = nosuchhost=127.0.0.1:1,m2=127.0.0.1:2\nclustered_session.copies = 1\n");
$slow = ['clustered_session.connect_timeout' => '20s', 'clustered_session.flush_timeout' => '0'];
$child = new ChildProcess(php_command("-c $ini_file -r " . escapeshellarg("ob_start(); $code
  ob_end_clean(); echo ini_get('session.save_path'), ' ', ini_get('clustered_session.copies');"), $slow));
echo preg_replace('/^PHP: .*\n/m', '', $child->rest()), "\n";
unlink($ini_file);
say('cut at the equals sign');
foreach (['nosuchhost:11211', 'nosuchhost,nosuchhost2', 'm1=nosuchhost'] as $path) {
  run_php($code, [], ['session.save_path' => $path] + $slow);
  $lines = logged();
  echo "$path: ", substr_count($lines, 'cannot resolve') > 0 ? 'does not resolve' : 'nothing', ', ',
    substr_count($lines, 'quotes') === 0 ? 'no hint' : 'a hint', "\n";
}
foreach (['0', '-5', '1'] as $lifetime) {
  run_php($code, [], ['session.save_path' => '', 'session.gc_maxlifetime' => $lifetime]);
  say("a lifetime of $lifetime");
}
?>
--EXPECT--
nosuchhost 2
cut at the equals sign
clustered_session: node N (nosuchhost:11211): cannot resolve its name: WHY; are the quotes of session.save_path missing? [CS-NODE-CONNECT]
clustered_session: no node of session.save_path can be asked: changes exist only on this server until a node answers again, and sessions without a local copy do not start [CS-ALONE]
clustered_session: unwritten sessions: 1; no node took them within clustered_session.flush_timeout (0), and they are lost if this server stops now [CS-UNWRITTEN]
nosuchhost:11211: does not resolve, no hint
nosuchhost,nosuchhost2: does not resolve, no hint
m1=nosuchhost: does not resolve, no hint
a lifetime of 0
clustered_session: session.gc_maxlifetime is below 1: a session is gone a second after its last use [CS-LIFETIME]
a lifetime of -5
clustered_session: session.gc_maxlifetime is below 1: a session is gone a second after its last use [CS-LIFETIME]
a lifetime of 1
