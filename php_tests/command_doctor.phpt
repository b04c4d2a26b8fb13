--TEST--
clustered-session doctor: what it finds in the reports of servers and in the figures of nodes, each with its remedy
--SKIPIF--
<?php
if (!is_file(__DIR__ . '/../share/bin/clustered-session')) die('skip no share/bin/clustered-session');
?>
--FILE--
<?php
ob_start();
require __DIR__ . '/../share/bin/clustered-session';
ob_end_clean();
use function ClusteredSession\Command\{code_of, diagnose, plain};

const NOW = 1_800_000_000.0;
function report(array $settings = [], array $more = []): array {
  return array_replace_recursive([
    'time' => NOW, 'findings' => [],
    'status' => ['version' => '1', 'server_id' => 'a', 'instance' => 'i1', 'nodes' => ['m1' => ['address' => 'x'], 'm2' => ['address' => 'y']]],
    'settings' => $settings + ['session.save_handler' => 'clustered', 'session.save_path' => 'm1=x,m2=y', 'session.use_strict_mode' => '1',
      'session.lazy_write' => '1', 'session.cookie_httponly' => '1', 'session.gc_maxlifetime' => '1440', 'session.cookie_lifetime' => '0',
      'clustered_session.copies' => '2', 'clustered_session.repair_rate' => '2000', 'clustered_session.lock_wait' => '30s',
      'clustered_session.operation_timeout' => '250ms', 'max_execution_time' => '30'],
  ], $more);
}
function node(array $stats = [], array $settings = [], array $more = []): array {
  return $more + ['ms' => 0.2, 'version' => '1.6.18', 'stats' => $stats + ['evictions' => '0', 'bytes' => '10', 'limit_maxbytes' => '67108864', 'listen_disabled_num' => '0', 'curr_connections' => '10'],
    'settings' => $settings + ['maxconns' => '1024', 'item_size_max' => '1048576', 'evictions' => 'on']];
}
$b = ['status' => ['server_id' => 'b', 'instance' => 'i2']];
function show(string $title, array $findings): void {
  echo "-- $title: ", code_of($findings), "\n";
  foreach ($findings as [$severity, $where, $what, $do]) {
    echo "$severity $where: $what\n";
    if ($do === '') echo "no remedy\n";
  }
}
show('all is well', diagnose(['a' => report(), 'b' => report([], $b)], ['m1' => node(), 'm2' => node()], NOW + 1));
show('each setting', diagnose(['a' => report(['session.save_handler' => 'files', 'session.use_strict_mode' => '0', 'session.lazy_write' => '0',
  'session.cookie_httponly' => '', 'session.cookie_lifetime' => '86400', 'clustered_session.copies' => '1', 'clustered_session.repair_rate' => '0',
  'clustered_session.lock_wait' => '1m'])], [], NOW));
show('no lifetime', diagnose(['a' => report(['session.gc_maxlifetime' => '0'])], [], NOW));
show('servers that differ', diagnose(['a' => report(), 'b' => report(['session.save_path' => 'm1=x', 'session.gc_maxlifetime' => '60'], $b)], [], NOW));
show('two of one name', diagnose(['one' => report(), 'two' => report([], ['status' => ['instance' => 'i2']])], [], NOW));
show('one server by two ways', diagnose(['one' => report(), 'two' => report()], [], NOW));
show('clocks', diagnose(['a' => report([], ['time' => NOW + 60]), 'b' => report([], $b + ['time' => NOW - 9])], [], NOW));
show('a server that is dead', diagnose(['a' => report(), 'b' => ['error' => 'refused']], [], NOW));
show('small nodes', diagnose(['a' => report()], ['m1' => node(['evictions' => '12', 'listen_disabled_num' => '3'], ['item_size_max' => '8192', 'evictions' => 'off']),
  'm2' => node(['bytes' => '66000000', 'curr_connections' => '1000'], [], ['version' => '1.5.22'])], NOW));
show('slow, shut and silent nodes', diagnose(['a' => report()], ['m1' => node([], [], ['ms' => 90]), 'm2' => ['error' => 'refused'], 'm3' => ['stats' => []] + node()], NOW));
show('what the page has found', diagnose(['a' => report([], ['findings' => [['critical', 'No node can be asked.', 'Bring one back.']]])], [], NOW));
var_dump(plain("a\x1b[2Jb\u{9b}c"), plain("\xff\x1b"), plain(['x']));
?>
--EXPECT--
-- all is well: 0
-- each setting: 2
critical a: session.save_handler is "files"
warning a: session.use_strict_mode is off: an attacker can choose a session ID for a visitor
warning a: session.lazy_write is off: PHP hands over each session at each request
warning a: session.cookie_httponly is off: scripts on a page can read the session ID
warning a: session.cookie_lifetime (86400 s) is longer than session.gc_maxlifetime (1440 s): the session ends before its cookie
warning a: clustered_session.copies is 1: the loss of a node loses sessions
warning a: clustered_session.repair_rate is 0: what nodes lost comes back only with requests
warning a: clustered_session.lock_wait (60 s) is longer than max_execution_time (30 s)
-- no lifetime: 2
critical a: session.gc_maxlifetime is 0: sessions end at once
-- servers that differ: 2
critical a, b: session.save_path differs: users are logged out when they change servers (a: m1=x,m2=y; b: m1=x)
critical a, b: session.gc_maxlifetime differs: sessions end early (a: 1440; b: 60)
-- two of one name: 2
critical one, two: all have the server_id "a": a server may serve another one's sessions from an old copy
-- one server by two ways: 0
-- clocks: 1
warning a: its clock is 60 s ahead
warning b: its clock is 9 s behind
-- a server that is dead: 3
unknown b: does not answer: refused
-- small nodes: 1
warning node m1: it has removed 12 items to make room (-m gives it 64 MB): sessions may be lost
warning node m1: it has refused new connections 3 times (-c 1024)
warning node m1: -I allows items of 8192 bytes only: larger sessions are not saved
warning node m1: -M refuses new sessions when its memory is full
warning node m2: memcached 1.5.22 has no meta commands: each operation waits longer
warning node m2: its memory of 64 MB is nearly full
warning node m2: 1000 of its 1024 connections (-c) are in use
-- slow, shut and silent nodes: 3
warning node m1: an answer takes 90 ms, with operation_timeout = 250 ms
unknown node m2: could not be looked at from here: refused
unknown node m3: shows no stats, as proxies and managed services do
-- what the page has found: 2
critical a: No node can be asked.
string(8) "a?[2Jb?c"
string(2) "??"
string(1) "?"
