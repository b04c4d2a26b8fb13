--TEST--
A script that ends early after a change - exit, fatal error, exception, time limit - saves its session
--INI--
session.save_handler=clustered
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$path = save_path(new Node(), new Node());
$ends = [
  'exit' => 'exit("bye");',
  'fatal error' => 'trigger_error("stop", E_USER_ERROR);',
  'exception' => 'throw new LogicException("stop");',
  'undefined function' => 'undefined_function();',
  'memory limit' => 'ini_set("memory_limit", "8M"); $hog = str_repeat("x", 20_000_000);',
  'time limit' => 'set_time_limit(1); while (true);',
  'exit in a shutdown function' => 'register_shutdown_function(function () { exit(3); });',
  'fatal error in a shutdown function' =>
    'register_shutdown_function(function () { trigger_error("x", E_USER_ERROR); });',
];
// PHP 8.4 finds fault with E_USER_ERROR.
$change = 'error_reporting(E_ALL & ~E_DEPRECATED); ob_end_clean(); ini_set("session.use_cookies", 0); session_cache_limiter(""); session_start();
  $_SESSION["n"] = 1; file_put_contents("php://stderr", session_id() . "\n");';
foreach ($ends as $how => $end) {
  $output = explode("\n", run_php("$change $end", [], ['session.save_path' => $path]));
  $said = preg_replace('/ in Command line code.*/', '', implode(' ', array_filter(array_slice($output, 1, 2))));
  echo "$how: ", json_encode(seen_elsewhere($output[0], $path)), ' ', $said, "\n";
}
?>
--EXPECTF--
exit: {"n":1} bye
fatal error: {"n":1} Fatal error: stop
exception: {"n":1} %s LogicException: stop
undefined function: {"n":1} %s undefined_function()
memory limit: {"n":1} Fatal error: Allowed memory size of 8388608 bytes exhausted %s
time limit: {"n":1} Fatal error: Maximum execution time of 1 second exceeded
exit in a shutdown function: {"n":1} 
fatal error in a shutdown function: {"n":1} Fatal error: x
