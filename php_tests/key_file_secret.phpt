--TEST--
A key file's keys are in no memory that a core dump has, and phpinfo() shows the file's path only
--INI--
session.save_handler=clustered
session.use_cookies=0
session.use_strict_mode=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
if (!function_exists('sodium_crypto_generichash')) die('skip no sodium extension to compute the keys');
if (!@fopen('/proc/self/mem', 'r')) die('skip the memory of processes cannot be read here');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$node = new Node();
$file = tempnam(sys_get_temp_dir(), 'clustered_session_keys');
register_shutdown_function(static fn() => @unlink($file));
chmod($file, 0600);
$lines = [clustered_session_new_key('one'), clustered_session_new_key('two')];
file_put_contents($file, implode("\n", $lines));
$ini = ['session.save_path' => save_path($node), 'clustered_session.key_file' => $file];

// What is looked for: the keys, as the file has them and as they are, and those that are made of them.
$secrets = [];
foreach ($lines as $number => $line) {
  $text = explode(' ', $line)[1];
  $key = base64_decode($text);
  $secrets += ["text $number" => $text, "key $number" => $key];
  foreach (['record', 'record by AES', 'session ID', 'session key', 'mark'] as $purpose) {
    $secrets["$purpose $number"] = sodium_crypto_generichash("$purpose\0cs:", $key, 32);
  }
}
// Which of them stand in memory of the process that a core dump has, or in memory that it leaves out.
function found_in(int $pid, bool $dumped): array {
  $memory = fopen("/proc/$pid/mem", 'r');
  stream_set_read_buffer($memory, 0);
  $found = [];
  preg_match_all('/^([0-9a-f]+)-([0-9a-f]+) (r\S+) .*\n(?:(?![0-9a-f]+-).*\n)*?VmFlags: (.*)$/m', file_get_contents("/proc/$pid/smaps"), $maps, PREG_SET_ORDER);
  foreach ($maps as [, $from, $to, , $flags]) {
    if (str_contains(" $flags ", ' dd ') === $dumped) continue;
    $from = hexdec($from);
    $to = hexdec($to);
    // Of the shared memory, which is left out of dumps, and of libraries nothing is expected.
    for ($at = $from; $at < $to && $to - $from <= 1 << 25; $at += 1 << 20) {
      if (!is_int($at) || fseek($memory, $at) !== 0) continue;
      $bytes = (string) @fread($memory, min($to - $at, (1 << 20) + 64));
      foreach ($GLOBALS['secrets'] as $what => $secret) if (str_contains($bytes, $secret)) $found[$what] = true;
    }
  }
  ksort($found);
  return array_keys($found);
}

$child = start_php('session_id(str_repeat("ab", 16)); session_start(); $_SESSION["n"] = 1; session_write_close();
  session_id(""); session_start(); $_SESSION["n"] = 1; session_write_close();
  session_id("unknown"); session_start(); session_abort();
  while (ob_get_level()) ob_end_clean(); echo "ready\n"; sleep(200);', [], $ini);
echo $child->line(), "\n";
preg_match('/^\d+/', (string) @file_get_contents("/proc/{$child->pid()}/task/{$child->pid()}/children"), $php);  // of timeout
$pid = (int) ($php[0] ?? $child->pid());
echo 'dumped: ', json_encode(found_in($pid, true)), "\n";
$left_out = found_in($pid, false);
echo 'left out: ', count(preg_grep('/^text/', $left_out)), ' texts, ', count(preg_grep('/^(key|record|session|mark)/', $left_out)), " keys\n";
$child->kill();

$shown = run_php('phpinfo(); var_dump(ini_get_all("clustered_session"), clustered_session_status(), clustered_session_metrics()); echo ob_get_clean();', [], $ini);
var_dump(str_contains($shown, $file), array_filter($secrets, fn($secret) => str_contains($shown, $secret)));
?>
--EXPECT--
ready
dumped: []
left out: 0 texts, 12 keys
bool(true)
array(0) {
}
