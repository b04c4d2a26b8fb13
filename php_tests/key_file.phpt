--TEST--
Key files: a line from clustered_session_new_key(), what is refused, and that no session is opened without the keys
--INI--
session.save_handler=clustered
session.use_cookies=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$line = clustered_session_new_key('2026-11');
var_dump(preg_match('~^2026-11 [A-Za-z0-9+/]{43}=$~D', $line), $line === clustered_session_new_key('2026-11'));
foreach (['', 'a b', str_repeat('n', 33)] as $name) {
  try {
    clustered_session_new_key($name);
  } catch (ValueError $error) {
    echo $error->getMessage(), "\n";
  }
}

$node = new Node();
$path = save_path($node);
$file = tempnam(sys_get_temp_dir(), 'keys');  // short, as messages cut long paths
register_shutdown_function(static fn() => @unlink($file));
// What a server with this key file says, at its start in its log and to a script.
function started(string $file): string {
  global $path;
  $said = run_php('$ok = session_start(); $why = error_get_last(); ob_end_clean(); echo json_encode($ok);', [],
    ['session.save_path' => $path, 'clustered_session.key_file' => $file, 'display_errors' => '0']);
  $log = array_filter(explode("\n", preg_replace('/ in Command line code on line \d+/', '', logged())));
  return str_replace($file, 'FILE', "$said\n" . implode("\n", preg_grep('/Failed to initialize/', $log, PREG_GREP_INVERT)));
}
$cases = [
  'good' => [$line, 0600], 'two' => ["# older below\n$line\n" . clustered_session_new_key('2026-10') . "\n", 0400],
  'empty' => ['', 0600], 'comments' => ["# none\n", 0600], 'too short' => [substr($line, 0, -4), 0600],
  'no name' => [substr($line, 8), 0600], 'doubled name' => ["$line\n" . clustered_session_new_key('2026-11'), 0600],
  'doubled key' => ["$line\nother" . substr($line, 7), 0600], 'of the group' => [$line, 0640], 'of all' => [$line, 0604],
];
foreach ($cases as $what => [$text, $mode]) {
  chmod($file, 0600);
  file_put_contents($file, $text);
  chmod($file, $mode);
  $said = started($file);
  if (str_contains($said, substr($line, 10, 20))) echo "the key is in a message\n";
  echo "$what: $said\n";
}
echo 'missing: ', started("$file-none"), "\n";
echo 'directory: ', str_replace(sys_get_temp_dir(), 'FOLDER', started(sys_get_temp_dir())), "\n";
echo 'relative: ', preg_match('/invalid value "FILE": must be an absolute path; using none/', started('keys')), "\n";
?>
--EXPECT--
int(1)
bool(false)
clustered_session_new_key(): Argument #1 ($name) must be 1 to 32 of A-Z, a-z, 0-9, "_" and "-"
clustered_session_new_key(): Argument #1 ($name) must be 1 to 32 of A-Z, a-z, 0-9, "_" and "-"
clustered_session_new_key(): Argument #1 ($name) must be 1 to 32 of A-Z, a-z, 0-9, "_" and "-"
good: true

two: true

empty: false
clustered_session: clustered_session.key_file: key file "FILE" is empty: clustered_session_new_key() makes a line for it [CS-KEY-FILE]
comments: false
clustered_session: clustered_session.key_file: key file "FILE" has no key: clustered_session_new_key() makes a line for it [CS-KEY-FILE]
too short: false
clustered_session: clustered_session.key_file: key file "FILE" line 1 has no 32 bytes in base64 behind its name [CS-KEY-FILE]
no name: false
clustered_session: clustered_session.key_file: key file "FILE" line 1 has no name of 1 to 32 of A-Z, a-z, 0-9, "_" and "-" [CS-KEY-FILE]
doubled name: false
clustered_session: clustered_session.key_file: key file "FILE" line 2 has a name that a line before has [CS-KEY-FILE]
doubled key: false
clustered_session: clustered_session.key_file: key file "FILE" line 2 has the key of a line before [CS-KEY-FILE]
of the group: false
clustered_session: clustered_session.key_file: key file "FILE" can be read or written by others than its owner: chmod 600 it [CS-KEY-FILE]
of all: false
clustered_session: clustered_session.key_file: key file "FILE" can be read or written by others than its owner: chmod 600 it [CS-KEY-FILE]
missing: false
clustered_session: clustered_session.key_file: key file "FILE" cannot be opened (No such file or directory) [CS-KEY-FILE]
directory: false
clustered_session: clustered_session.key_file: key file "FILE" is a directory [CS-KEY-FILE]
relative: 1
