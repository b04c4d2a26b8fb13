--TEST--
A bad value at run time is refused, names its setting, and the value before stays
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.save_path=
--FILE--
<?php
require __DIR__ . '/support.inc';
$bad = [
  'local_trust' => ['10', '-1s', 'ten', '', '1d', '25h', '10 s', '1.5s', '99999999999999999999s'],
  'takeover_grace' => ['x'], 'lock_wait' => ['30'], 'lock' => ['Cluster', 'Local', 'no'],
  'on_conflict' => ['ours', ''], 'lock_waiters_max' => ['-1', '4097', 'many'],
];
foreach ($bad as $name => $values) {
  foreach ($values as $value) {
    $before = ini_get("clustered_session.$name");
    $message = 'no message';
    set_error_handler(function ($level, $text) use (&$message) { $message = $text; });
    $result = ini_set("clustered_session.$name", $value);
    restore_error_handler();
    if ($result !== false || ini_get("clustered_session.$name") !== $before) echo "taken: ";
    echo "$message\n";
  }
}
// What others would feel is not a script's to change.
$not_for_scripts = ['server_id', 'local_memory', 'affinity', 'prefix', 'copies', 'connect_timeout', 'operation_timeout',
                    'retry_interval', 'behind_max', 'flush_timeout', 'repair_rate', 'repair_listing', 'news_interval', 'authentication', 'username', 'password'];
foreach ($not_for_scripts as $name) {
  $before = ini_get("clustered_session.$name");
  foreach (['1', '1ms', '24h', 'sasl', '1M'] as $value) {
    if (@ini_set("clustered_session.$name", $value) !== false || ini_get("clustered_session.$name") !== $before) {
      echo "$name was changed by a script\n";
    }
  }
}
$long = str_repeat('x', 100_000) . "\n";
set_error_handler(function ($level, $text) { echo strlen($text) < 300 ? "short\n" : "long\n"; });
var_dump(ini_set('clustered_session.on_conflict', $long));
restore_error_handler();
// Good ones are taken, and ini_restore() gives the default back.
foreach (['local_trust' => '0', 'takeover_grace' => '24h', 'lock' => 'cluster', 'lock_wait' => '0ms',
          'lock_waiters_max' => '0', 'write' => 'behind', 'on_conflict' => 'theirs'] as $name => $value) {
  $before = ini_get("clustered_session.$name");
  if (ini_set("clustered_session.$name", $value) !== $before) echo "$name: not taken\n";
  ini_restore("clustered_session.$name");
  if (ini_get("clustered_session.$name") !== $before) echo "$name: not restored\n";
}
session(null, function (&$data) { $data['n'] = 1; });
?>
--EXPECT--
clustered_session.local_trust: invalid value "10": must be a number and a unit, such as 250ms, 10s or 5m; using 10s
clustered_session.local_trust: invalid value "-1s": must be a number and a unit, such as 250ms, 10s or 5m; using 10s
clustered_session.local_trust: invalid value "ten": must be a number and a unit, such as 250ms, 10s or 5m; using 10s
clustered_session.local_trust: invalid value "": must be a number and a unit, such as 250ms, 10s or 5m; using 10s
clustered_session.local_trust: invalid value "1d": must be a number and a unit, such as 250ms, 10s or 5m; using 10s
clustered_session.local_trust: invalid value "25h": must be at most 24h; using 10s
clustered_session.local_trust: invalid value "10 s": must be a number and a unit, such as 250ms, 10s or 5m; using 10s
clustered_session.local_trust: invalid value "1.5s": must be a number and a unit, such as 250ms, 10s or 5m; using 10s
clustered_session.local_trust: invalid value "99999999999999999999s": must be a number and a unit, such as 250ms, 10s or 5m; using 10s
clustered_session.takeover_grace: invalid value "x": must be a number and a unit, such as 250ms, 10s or 5m; using 60s
clustered_session.lock_wait: invalid value "30": must be a number and a unit, such as 250ms, 10s or 5m; using 30s
clustered_session.lock: invalid value "Cluster": must be none, local or cluster; using local
clustered_session.lock: invalid value "Local": must be none, local or cluster; using local
clustered_session.lock: invalid value "no": must be none, local or cluster; using local
clustered_session.on_conflict: invalid value "ours": must be merge, mine or theirs; using merge
clustered_session.on_conflict: invalid value "": must be merge, mine or theirs; using merge
clustered_session.lock_waiters_max: invalid value "-1": must be 0 to 4096; using 32
clustered_session.lock_waiters_max: invalid value "4097": must be 0 to 4096; using 32
clustered_session.lock_waiters_max: invalid value "many": must be 0 to 4096; using 32
short
bool(false)
