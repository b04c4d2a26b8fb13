--TEST--
Signed session IDs: an ID that no server has made is replaced, without a question to a node, also without strict mode
--INI--
session.save_handler=clustered
session.use_cookies=1
error_reporting=E_ALL & ~E_DEPRECATED
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$node = new Node();
$file = tempnam(sys_get_temp_dir(), 'clustered_session_keys');
register_shutdown_function(static fn() => @unlink($file));
chmod($file, 0600);
file_put_contents($file, clustered_session_new_key('one'));
$script = <<<'END'
  <?php
  ini_set('session.use_strict_mode', $_GET['strict'] ?? '0');
  if (isset($_GET['id'])) session_id($_GET['id']);
  $before = clustered_session_status()['counters'];
  session_start();
  if (isset($_GET['set'])) $_SESSION['n'] = $_GET['set'];
  $found = json_encode($_SESSION);
  if (isset($_GET['new'])) session_regenerate_id(true);
  if (isset($_GET['reset'])) session_reset();
  $id = session_id();
  session_write_close();
  $after = clustered_session_status()['counters'];
  echo json_encode(['id' => $id, 'found' => $found, 'waits' => $after['node_waits'] - $before['node_waits'],
    'connects' => $after['node_connects'] - $before['node_connects'], 'forged' => $after['forged_ids'] - $before['forged_ids']]);
  END;
function server(string $signed): WebServer {
  global $script, $node, $file;
  return new WebServer($script, 1, ['session.save_path' => save_path($node), 'clustered_session.key_file' => $file,
    'clustered_session.signed_ids' => $signed, 'session.name' => 'S',
    // What a server's background asks is not counted below.
    'clustered_session.repair_rate' => '0', 'clustered_session.news_interval' => '0']);
}
$server = server('require');
$ask = function (WebServer $server, string $query = '', ?string $id = null) {
  return json_decode($server->ask($query, $id === null ? [] : ['S' => $id])->body);
};
$forged = str_repeat('0123', 8);
foreach (['0', '1'] as $strict) {
  $first = $ask($server, "strict=$strict", $forged);
  echo "strict $strict: ", json_encode([$first->id !== $forged, strlen($first->id), $first->found, $first->waits,
    $first->connects, $first->forged]), "\n";
}
$new = $ask($server, 'set=1');
$again = $ask($server, '', $new->id);
echo json_encode([$again->id === $new->id, $again->found, $again->forged]), "\n";
// Any character of it changed.
$other = substr_replace($new->id, $new->id[3] === '0' ? '1' : '0', 3, 1);
echo json_encode($ask($server, '', $other)->forged), "\n";
$regenerated = $ask($server, 'new=1', $new->id);
$again = $ask($server, 'reset=1', $regenerated->id);
echo json_encode([$regenerated->id !== $new->id, $regenerated->forged, $again->id === $regenerated->id, $again->found]), "\n";
// What an application makes up is no ID, either.
echo json_encode($ask($server, 'id=x')->id !== 'x'), "\n";
// While servers are changed over, others are good.
$rollout = server('make');
$made = $ask($rollout, 'set=2');
echo json_encode([$ask($rollout, 'set=3', $forged)->id === $forged, $ask($rollout, 'id=x&set=4')->id, $ask($server, '', $made->id)->found]), "\n";

// 10,000 of them: no message to a node.
ini_set('session.save_path', save_path($node));
$stats = function () use ($node): array {
  $socket = fsockopen('127.0.0.1', $node->port);
  fwrite($socket, "stats\r\n");
  for ($text = ''; !str_ends_with($text, "END\r\n");) $text .= fread($socket, 65536);
  preg_match_all('/^STAT (cmd_\w+|get_\w+|total_connections) (\d+)\r$/m', $text, $found);
  return array_combine($found[1], $found[2]);
};
$before = $stats();
$code = 'for ($i = 0; $i < 10000; ++$i) { session_id(bin2hex(random_bytes(16))); session_start(); session_abort(); }
  $c = clustered_session_status()["counters"]; ob_end_clean(); echo $c["forged_ids"], " ", $c["node_waits"], " ", $c["node_connects"];';
foreach (['0', '1'] as $strict) {
  echo run_php($code, [], ['session.save_path' => save_path($node), 'clustered_session.key_file' => $file,
    'clustered_session.signed_ids' => 'require', 'session.use_strict_mode' => $strict, 'session.use_cookies' => '0']), "\n";
}
$after = $stats();
$before['total_connections'] += 1;  // this one
var_dump($before == $after);

// One that is too short.
echo preg_replace('/ in \S+.*/s', '', run_php('session_start();', [], ['session.save_path' => save_path($node), 'clustered_session.key_file' => $file,
  'clustered_session.signed_ids' => 'require', 'session.sid_length' => '22', 'error_reporting' => (string) (E_ALL & ~E_DEPRECATED)])), "\n";
?>
--EXPECT--
strict 0: [true,32,"[]",0,0,1]
strict 1: [true,32,"[]",0,0,1]
[true,"{\"n\":\"1\"}",0]
1
[true,0,true,"{\"n\":\"1\"}"]
true
[true,"x","{\"n\":\"2\"}"]
10000 0 0
10000 0 0
bool(true)

Warning: session_start(): a session ID of session.sid_length = 22 is too short to be signed (clustered_session.signed_ids = require): raise it to 32 [CS-ID-LENGTH]
