--TEST--
A request whose memory ends while it reads a large session leaves the session whole
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
ini_set('session.save_path', $path);
$id = session(null, function (&$data) { $data = ['blob' => str_repeat("\0x", 400_000), 'n' => 1]; });
// What the request holds already decides where its memory ends: while PHP decodes the session, or in our read.
$code = <<<'END'
  $held = str_repeat('h', $argv[2]);
  session_id($argv[1]);
  session_start();
  echo 'started';
  $_SESSION = ['hurt' => 1];
  END;
foreach ([0, 400_000, 800_000, 1_000_000, 1_200_000] as $held) {
  foreach (['0', '1'] as $strict) {
    $output = run_php($code, [$id, $held],
      ['session.save_path' => $path, 'memory_limit' => '2M', 'session.use_strict_mode' => $strict]);
    if (!preg_match('/Allowed memory size of 2097152 bytes exhausted/', $output)) echo "memory did not end: $output\n";
    if (str_contains($output, 'started')) echo "the script went on\n";
    $elsewhere = run_php('session_id($argv[1]); session_start(); echo md5(serialize($_SESSION));', [$id],
      ['session.save_path' => $path]);
    $expected = md5(serialize(['blob' => str_repeat("\0x", 400_000), 'n' => 1]));
    if ($elsewhere !== $expected) echo "held $held, strict $strict: the session is hurt: $elsewhere\n$output\n";
  }
}
echo "done\n";
?>
--EXPECT--
done
