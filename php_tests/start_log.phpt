--TEST--
What is wrong at PHP's start is said in the log, and nothing of it in the output, whatever display_startup_errors says
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
if (!getenv('TEST_PHP_CGI_EXECUTABLE')) die('skip php-cgi is not installed');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$file = tempnam(sys_get_temp_dir(), 'clustered_session');
file_put_contents($file, '<?php echo "page";');
// What a program says in all, and then the log.
function start(string $what, string $program, array $ini = [], string $environment = ''): void {
  $command = "env -i $environment " . getenv($program) . ' ' . getenv('TEST_PHP_EXTRA_ARGS');
  $ini += ['display_errors' => '1', 'display_startup_errors' => '1', 'error_log' => $GLOBALS['log_file']];
  foreach ($ini as $name => $value) $command .= ' -d ' . escapeshellarg("$name=\"$value\"");
  echo "$what: ", shell_exec("$command -q {$GLOBALS['file']} 2>&1"), "\n", logged();
}
foreach (['php' => 'TEST_PHP_EXECUTABLE', 'php-cgi' => 'TEST_PHP_CGI_EXECUTABLE'] as $name => $program) {
  start("$name, all well", $program);
  start("$name, a bad value", $program, ['clustered_session.copies' => '0']);
  start("$name, a bad secret", $program, ['clustered_session.password' => 'tw0 words']);
  start("$name, a bad value without display", $program, ['clustered_session.lock' => 'both', 'display_errors' => '0']);
  start("$name, no memory", $program, ['clustered_session.local_memory' => '8000000G']);
}
// A libmemcached that is too old, as far as it says itself: the real one with another version in it.
$folder = "$file.libraries";
mkdir($folder);
preg_match('~ (/\S+/libmemcached\.so\S*)~', file_get_contents('/proc/self/maps'), $library);
$bytes = file_get_contents($library[1]);
file_put_contents("$folder/libmemcached.so.11", preg_replace('/\0\d\.\d\.\d\0/', "\0" . '1.0.9' . "\0", $bytes));
foreach (['php' => 'TEST_PHP_EXECUTABLE', 'php-cgi' => 'TEST_PHP_CGI_EXECUTABLE'] as $name => $program) {
  start("$name, an old library", $program, [], "LD_LIBRARY_PATH=$folder");
}
unlink("$folder/libmemcached.so.11");
rmdir($folder);
unlink($file);

// A script is told of what it sets itself.
ini_set('clustered_session.lock', 'both');
echo logged();
?>
--EXPECTF--
php, all well: page
php, a bad value: page
clustered_session: clustered_session.copies: invalid value "0": must be 1 to 64; using 2 [CS-SETTING]
php, a bad secret: page
clustered_session: clustered_session.password: invalid value: must be at most 100 printable characters without spaces; using none [CS-SETTING]
php, a bad value without display: page
clustered_session: clustered_session.lock: invalid value "both": must be none, local or cluster; using local [CS-SETTING]
php, no memory: page
php-cgi, all well: page
php-cgi, a bad value: page
clustered_session: clustered_session.copies: invalid value "0": must be 1 to 64; using 2 [CS-SETTING]
php-cgi, a bad secret: page
clustered_session: clustered_session.password: invalid value: must be at most 100 printable characters without spaces; using none [CS-SETTING]
php-cgi, a bad value without display: page
clustered_session: clustered_session.lock: invalid value "both": must be none, local or cluster; using local [CS-SETTING]
php-cgi, no memory: page
clustered_session: no shared memory for local copies: local_memory must be at most 17592186044416 bytes, is 8589934592000000; lower clustered_session.local_memory [CS-MEMORY]
php, an old library: page
clustered_session: needs libmemcached 1.1.4 or later, this is 1.0.9: older ones can return another key's value after a timeout; the save handler is not registered [CS-LIBMEMCACHED]
php-cgi, an old library: page
clustered_session: needs libmemcached 1.1.4 or later, this is 1.0.9: older ones can return another key's value after a timeout; the save handler is not registered [CS-LIBMEMCACHED]

Warning: clustered_session.lock: invalid value "both": must be none, local or cluster; using local in %s on line %d
