--TEST--
A command line maps local_memory at its first session, its status or its first fork, and not before; a server at its start
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_programs('timeout');
need_functions('pcntl_fork');
if (!getenv('TEST_PHP_CGI_EXECUTABLE')) die('skip php-cgi is not installed');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
// Shared anonymous mappings of the process that runs this.
$maps = 'function maps() { return count(preg_grep("~ rw-s .*/dev/zero~", file("/proc/self/maps"))); } ';
$code = ['nothing' => '', 'a session' => 'session_start();', 'the status' => 'clustered_session_status();',
  'phpinfo' => 'ob_start(); phpinfo(INFO_MODULES); ob_end_clean();', 'the settings' => 'ini_get_all("clustered_session");',
  'a fork' => 'if (pcntl_fork() === 0) { ob_clean(); exit; } pcntl_wait($status);'];
foreach ($code as $what => $step) {
  echo "$what: ", run_php("$maps echo maps(), ' '; $step echo maps();"), "\n", logged();
}
// More than there is: who needs none is not told.
foreach (['', 'if (pcntl_fork() === 0) { ob_clean(); exit; } pcntl_wait($status);'] as $step) {
  $ini = ['clustered_session.local_memory' => '8000000G'];
  echo 'too large: ', run_php("$maps echo maps(), ' '; $step echo maps();", [], $ini), "\n", logged();
}

// Processes that were forked before any session: one server.
echo run_php('
  $pid = pcntl_fork();
  session_id("of-both");
  if ($pid === 0) {
    ob_clean();
    session_start();
    $_SESSION["from"] = "child";
    exit;
  }
  pcntl_waitpid($pid, $status);
  session_start();
  echo json_encode($_SESSION), " ", clustered_session_status()["memory"]["entries"], "\n";');

// What is no command line, and may fork workers.
// Without this test's own environment, which names its script.
$cgi = 'env -i ' . getenv('TEST_PHP_CGI_EXECUTABLE');
$file = tempnam(sys_get_temp_dir(), 'clustered_session');
file_put_contents($file, "<?php $maps echo maps();");
echo 'php-cgi: ', shell_exec("$cgi " . getenv('TEST_PHP_EXTRA_ARGS') . " -q $file"), "\n";
$server = new WebServer("<?php $maps echo maps();");
echo 'php -S: ', $server->ask()->body, "\n";

// dl() loads the module anew at each request: one segment for all of them, and one save handler.
[$folder, $module] = preg_match('~extension="?(/\S+)/([^/"\s]+)"?~', getenv('TEST_PHP_EXTRA_ARGS'), $parts)
  ? [$parts[1], $parts[2]] : ['', ''];
file_put_contents($file, "<?php $maps ob_start(); dl('$module');" . '
  ini_set("session.save_handler", "clustered");
  ini_set("session.save_path", "");
  session_id("a");
  session_start();
  $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1;
  echo maps(), " ", $_SESSION["n"], "\n";');
$options = "-n -d opcache.enable=0 -d extension_dir=$folder -d enable_dl=1 -d session.use_strict_mode=0 -d error_log={$log_file}";
echo 'dl() in php: ', shell_exec(getenv('TEST_PHP_EXECUTABLE') . " $options $file");
preg_match_all('/^(\d+) (\d+)$/m', shell_exec("$cgi $options -T 40 $file 2>/dev/null"), $lines);
echo 'dl() in php-cgi, 40 times: ', implode(' ', array_unique($lines[1])), ', then ', end($lines[2]), "\n", logged();
unlink($file);
?>
--EXPECT--
nothing: 0 0
a session: 0 1
the status: 0 1
phpinfo: 0 1
the settings: 0 0
a fork: 0 1
too large: 0 0
too large: 0 0
{"from":"child"} 1
php-cgi: 1
php -S: 1
dl() in php: 1 1
dl() in php-cgi, 40 times: 1, then 40
