--TEST--
A session is over a lifetime after its last use, on the server where that was and soon on the nodes
--INI--
clustered_session.connect_timeout=20s
clustered_session.operation_timeout=20s
session.save_handler=clustered
session.gc_maxlifetime=2
session.use_strict_mode=1
clustered_session.server_id=a
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$page = <<<'END'
  <?php
  session_start(isset($_GET['look']) ? ['read_and_close' => true] : []);
  if (isset($_GET['set'])) $_SESSION['n'] = $_GET['set'];
  echo json_encode($_SESSION);
  END;
$nodes = [new Node(), new Node()];
$ini = ['session.save_path' => save_path(...$nodes)];
$a = new WebServer($page, 1, $ini);
$b = new WebServer($page, 1, ['clustered_session.server_id' => 'b'] + $ini);
$now = fn() => hrtime(true) / 1e9;

// One of two sessions, and the bounds between which it was used last. On a busy machine they are far apart.
final class Visitor {
  public array $cookies = [];
  public float $used_from, $used_to;
  function __construct(private string $n) {}

  // Asks for the page. Says so if the session is there too late, or is gone too early (of the last use a tenth of the
  // lifetime may be left out). Returns whether it is there.
  function ask(WebServer $server, string $query): bool {
    $from = hrtime(true) / 1e9;
    $answer = $server->ask($query, $this->cookies);
    $to = hrtime(true) / 1e9;
    $this->cookies = $answer->cookies + $this->cookies;
    $there = $answer->body === json_encode(['n' => $this->n]);
    if (isset($this->used_to)) {
      if ($there && $from > $this->used_to + 2) echo "$this->n is there after its end\n";
      if (!$there && $to < $this->used_from + 1.8) echo "$this->n is gone before its end\n";
    }
    if ($query !== 'look') [$this->used_from, $this->used_to] = [$from, $to];
    return $there;
  }
}

foreach ([$a, $b] as $server) {
  [$one, $other] = [new Visitor('1'), new Visitor('2')];
  foreach ([$one, $other] as $i => $visitor) $visitor->ask($a, 'set=' . $i + 1);
  // Used for longer than it lives unused.
  for ($end = $now() + 3; $now() < $end; usleep(100_000)) {
    if (!$one->ask($server, '') || !$other->ask($server, '')) break;
  }
  // Now the other one is used, and this one only looked at.
  await(function () use ($one, $other, $server) {
    usleep(100_000);  // php -S prints each request into a pipe that nobody reads
    $other->ask($server, '');
    return !$one->ask($server, 'look');
  }, 'the end');
  echo "over\n";
}
// Elsewhere at most two seconds later, as nodes count whole ones; and theirs may be behind on a busy machine.
$other->ask($b, 'set=2');
await(fn() => $now() > $other->used_to + 6, 'the end everywhere');
var_dump($one->ask($a, 'look'), $other->ask($a, 'look'));
?>
--EXPECT--
over
over
bool(false)
bool(false)
