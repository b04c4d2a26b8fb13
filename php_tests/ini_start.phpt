--TEST--
A bad value at PHP's start is refused with a line in the log that names it, and the default is used
--INI--
session.save_handler=clustered
session.save_path=
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_programs('timeout');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$code = 'session_start(); $_SESSION["n"] = 1; session_write_close(); session_start();
  echo isset($argv[1]) ? json_encode(ini_get("clustered_session.$argv[1]")) . " " : "",
    $_SESSION["n"], " ", clustered_session_status()["memory"]["bytes"] >> 20, "M";';
$bad = [
  'server_id' => ['a.b', 'a b', str_repeat('x', 65), "x;y"], 'copies' => ['0', 'many'], 'local_trust' => ['10'],
  'takeover_grace' => ['-1s'], 'affinity' => ['none'], 'lock' => ['Cluster'], 'lock_wait' => ['forever'], 'lock_waiters_max' => ['none'],
  'connect_timeout' => ['0'], 'operation_timeout' => ['0'], 'retry_interval' => ['0'], 'on_conflict' => ['both'],
  'prefix' => ['a b', str_repeat('x', 65)],
  'local_memory' => ['0', '1', '1023K', '64X', '-1', 'much', '99999999999999999999'],
];
foreach ($bad as $name => $values) {
  foreach ($values as $value) {
    $output = run_php($code, [$name], ["clustered_session.$name" => $value]);
    echo preg_replace('/\s*\n\s*/', ' | ', logged() . $output), "\n";
    if ($exit_code !== 0) echo "exit code $exit_code\n";
  }
}
// More than there is.
$output = run_php($code, [], ['clustered_session.local_memory' => '8000000G']);
echo preg_replace(['/ in \S+ \S+ on line \d+| in Unknown on line 0|code on line \d/', '/\s*\n\s*/'],
  ['', "\n"], $output), "\n", logged();
// A bare none is no text to php.ini's parser.
file_put_contents($ini_file = tempnam(sys_get_temp_dir(), 'clustered_session'), "clustered_session.lock = none\n");
$output = (new ChildProcess(php_command("-c $ini_file -r " . escapeshellarg('ob_start(); session_start();
  echo clustered_session_status()["locks"]["held"], " held";'))))->rest();
unlink($ini_file);
echo "$output\n";
// Good ones.
foreach (['1M', '1048576', '100m', '2g'] as $value) {
  echo run_php($code, [], ['clustered_session.local_memory' => $value]), "\n";
}
?>
--EXPECTF--
clustered_session: clustered_session.server_id: invalid value "a.b": must be 1 to 64 of A-Z, a-z, 0-9, "_" and "-"; using the host's name [CS-SETTING] | "" 1 64M
clustered_session: clustered_session.server_id: invalid value "a b": must be 1 to 64 of A-Z, a-z, 0-9, "_" and "-"; using the host's name [CS-SETTING] | "" 1 64M
clustered_session: clustered_session.server_id: invalid value "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...": must be 1 to 64 of A-Z, a-z, 0-9, "_" and "-"; using the host's name [CS-SETTING] | "" 1 64M
clustered_session: clustered_session.server_id: invalid value "x;y": must be 1 to 64 of A-Z, a-z, 0-9, "_" and "-"; using the host's name [CS-SETTING] | "" 1 64M
clustered_session: clustered_session.copies: invalid value "0": must be 1 to 64; using 2 [CS-SETTING] | "2" 1 64M
clustered_session: clustered_session.copies: invalid value "many": must be 1 to 64; using 2 [CS-SETTING] | "2" 1 64M
clustered_session: clustered_session.local_trust: invalid value "10": must be a number and a unit, such as 250ms, 10s or 5m; using 10s [CS-SETTING] | "10s" 1 64M
clustered_session: clustered_session.takeover_grace: invalid value "-1s": must be a number and a unit, such as 250ms, 10s or 5m; using 60s [CS-SETTING] | "60s" 1 64M
clustered_session: clustered_session.affinity: invalid value "none": must be cookie or balancer; using cookie [CS-SETTING] | "cookie" 1 64M
clustered_session: clustered_session.lock: invalid value "Cluster": must be none, local or cluster; using local [CS-SETTING] | "local" 1 64M
clustered_session: clustered_session.lock_wait: invalid value "forever": must be a number and a unit, such as 250ms, 10s or 5m; using 30s [CS-SETTING] | "30s" 1 64M
clustered_session: clustered_session.lock_waiters_max: invalid value "none": must be 0 to 4096; using 32 [CS-SETTING] | "32" 1 64M
clustered_session: clustered_session.connect_timeout: invalid value "0": must be at least 1ms; using 100ms [CS-SETTING] | "100ms" 1 64M
clustered_session: clustered_session.operation_timeout: invalid value "0": must be at least 1ms; using 250ms [CS-SETTING] | "250ms" 1 64M
clustered_session: clustered_session.retry_interval: invalid value "0": must be at least 1ms; using 2s [CS-SETTING] | "2s" 1 64M
clustered_session: clustered_session.on_conflict: invalid value "both": must be merge, mine or theirs; using merge [CS-SETTING] | "merge" 1 64M
clustered_session: clustered_session.prefix: invalid value "a b": must be at most 64 printable characters without spaces; using cs: [CS-SETTING] | "cs:" 1 64M
clustered_session: clustered_session.prefix: invalid value "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...": must be at most 64 printable characters without spaces; using cs: [CS-SETTING] | "cs:" 1 64M
clustered_session: clustered_session.local_memory: invalid value "0": must be at least 1M; using 64M [CS-SETTING] | "64M" 1 64M
clustered_session: clustered_session.local_memory: invalid value "1": must be at least 1M; using 64M [CS-SETTING] | "64M" 1 64M
clustered_session: clustered_session.local_memory: invalid value "1023K": must be at least 1M; using 64M [CS-SETTING] | "64M" 1 64M
clustered_session: clustered_session.local_memory: invalid value "64X": must be a number of bytes, or of K, M or G, such as 64M; using 64M [CS-SETTING] | "64M" 1 64M
clustered_session: clustered_session.local_memory: invalid value "-1": must be a number of bytes, or of K, M or G, such as 64M; using 64M [CS-SETTING] | "64M" 1 64M
clustered_session: clustered_session.local_memory: invalid value "much": must be a number of bytes, or of K, M or G, such as 64M; using 64M [CS-SETTING] | "64M" 1 64M
clustered_session: clustered_session.local_memory: invalid value "99999999999999999999": must be a number of bytes, or of K, M or G, such as 64M; using 64M [CS-SETTING] | "64M" 1 64M

Warning: session_start(): no shared memory for local copies: local_memory must be at most 17592186044416 bytes, is 8589934592000000; lower clustered_session.local_memory [CS-MEMORY] in Command line
Warning: session_start(): Failed to initialize storage module: clustered (path: ) in Command line
Warning: session_start(): no shared memory for local copies: local_memory must be at most 17592186044416 bytes, is 8589934592000000; lower clustered_session.local_memory [CS-MEMORY] in Command line
Warning: session_start(): Failed to initialize storage module: clustered (path: ) in Command line
1
Warning: Undefined array key "memory" in Command line
Warning: Trying to access array offset on %Snull in Command line
0M
0 held
1 1M
1 1M
1 100M
1 2048M
