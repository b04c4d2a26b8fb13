--TEST--
An error handler that throws, exits or fails at a warning of ours: no crash, and the session survives
--INI--
session.save_handler=clustered
session.use_strict_mode=0
clustered_session.local_memory=1M
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$handlers = [
  'throws' => 'throw new LogicException("thrown")',
  'exits' => 'exit("exited")',
  'fails' => 'trigger_error("failed", E_USER_ERROR)',
  'starts a session' => 'session_start()',
  'destroys the session' => 'session_destroy()',
];
// Each point: what makes the warning; $stop() ends the node.
$points = [
  'open' => 'ini_set("session.save_path", "no/path"); $arm(); session_start();',
  'read' => 'session_id("not/an/id"); $arm(); session_start();',
  'write' => 'session_start(); $_SESSION["big"] = str_repeat("x", 2_000_000); $arm(); session_write_close();',
  'write at the end' => 'session_start(); $_SESSION["big"] = str_repeat("x", 2_000_000); $arm();',
  'regenerate' => 'session_start(); $_SESSION["big"] = str_repeat("x", 2_000_000); $arm(); session_regenerate_id();',
  // A takeover that no node takes and for which there is no room here either.
  'close' => 'session_start(); $stop(); $arm(); session_abort();',
];
$prelude = <<<'END'
  $arm = function () {
    set_error_handler(function ($level, $message) {
      static $calls = 0;
      if (++$calls > 3) return true;
      fwrite(STDERR, 'W');
      %s;
    });
  };
  $stop = function () use ($argv) {
    exec('kill -s KILL -- -' . $argv[2]);
    while (@fsockopen('127.0.0.1', $argv[3])) usleep(1000);
  };
  session_id($argv[1]);
  END;
$original = ['user' => 'ada', 'blob' => str_repeat('b', 300_000)];
foreach ($points as $point => $code) {
  foreach ($handlers as $how => $handler) {
    $nodes = [new Node(), new Node()];
    ini_set('session.save_path', save_path($nodes[0]));
    $id = session(null, function (&$data) use ($original) { $data = $original; });
    $nodes[1]->put($nodes[0]->keys()[0], $nodes[0]->item($nodes[0]->keys()[0]));
    $output = run_php(sprintf($prelude, $handler) . "try { $code } catch (LogicException \$e) { echo 'caught'; }",
      [$id, $nodes[0]->pid(), $nodes[0]->port], ['session.save_path' => save_path($nodes[0])]);
    $seen = run_php('session_id($argv[1]); session_start(); echo json_encode($_SESSION);', [$id],
      ['session.save_path' => save_path($nodes[1])]);
    $survived = json_decode($seen, true) === $original;
    $asked = str_contains($output, 'W');
    if (!$asked || !$survived || $exit_code > 128) {
      echo "$point, $how: handler ", $asked ? 'was' : 'was not', ' asked, session ', $survived ? 'survived' : 'is lost',
        ", exit code $exit_code\n", substr($output, 0, 300), "\n", substr($seen, 0, 300), "\n";
    }
    foreach ($nodes as $node) $node->kill();
  }
}
echo "done\n";
?>
--EXPECT--
done
