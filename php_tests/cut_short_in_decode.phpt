--TEST--
A request that is cut short while PHP decodes its session leaves the session as it was
--INI--
session.save_handler=clustered
session.use_strict_mode=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$path = save_path(new Node(), new Node());
$class = 'class Thing {
  public $text = "lost";
  function __unserialize(array $data): void { %s; $this->text = $data["text"]; }
}';
$whole = sprintf($class, '');
$make = "$whole session_start(); \$_SESSION['user'] = 'ada'; \$_SESSION['thing'] = new Thing();
  \$_SESSION['thing']->text = 'kept'; \$_SESSION['last'] = 1; echo session_id();";
$read = 'session_id($argv[1]); session_start(); $_SESSION["n"] = 1; echo "went on"; ';
$cuts = [
  'fatal error' => 'trigger_error("stop", E_USER_ERROR)',
  'memory limit' => 'ini_set("memory_limit", "8M"); $hog = str_repeat("x", 20_000_000)',
  'time limit' => 'set_time_limit(1); while (true)',
  'fatal error, and another one in the error handler' =>
    'set_error_handler(fn() => trigger_error("again", E_USER_ERROR));
    ini_set("memory_limit", "8M"); $hog = str_repeat("x", 20_000_000)',
  'time limit, and exit in the error handler' =>
    'set_error_handler(function () { exit; }); set_time_limit(1); while (true)',
  'SIGKILL' => 'exec("kill -s KILL " . getmypid()); sleep(20)',
];
foreach ($cuts as $how => $cut) {
  $id = run_php($make, [], ['session.save_path' => $path]);
  $output = run_php(sprintf($class, $cut) . $read, [$id], ['session.save_path' => $path]);
  echo "$how: ", str_contains($output, 'went on') ? 'went on' : 'cut',
    str_contains($output, 'session kept') ? ', kept' : '';
  $seen = run_php("$whole session_id(\$argv[1]); session_start(); echo json_encode(\$_SESSION);", [$id],
    ['session.save_path' => $path]);
  echo ": $seen\n";
}
?>
--EXPECTF--
fatal error: cut, kept: {"user":"ada","thing":{"text":"kept"},"last":1}
memory limit: cut%S: {"user":"ada","thing":{"text":"kept"},"last":1}
time limit: cut, kept: {"user":"ada","thing":{"text":"kept"},"last":1}
fatal error, and another one in the error handler: cut%S: {"user":"ada","thing":{"text":"kept"},"last":1}
time limit, and exit in the error handler: cut%S: {"user":"ada","thing":{"text":"kept"},"last":1}
SIGKILL: cut: {"user":"ada","thing":{"text":"kept"},"last":1}
