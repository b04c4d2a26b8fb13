--TEST--
Worker modes, in which a request never ends for this module: nothing of one client's request shows in the next one's
--INI--
session.save_handler=clustered
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
need_programs('cc', 'php-config');
if (!getenv('TEST_PHP_CGI_EXECUTABLE')) die('skip needs php-cgi');
if (PHP_ZTS) die('skip the module that plays the worker mode is built for NTS');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$folder = sys_get_temp_dir() . '/clustered_session_worker_' . bin2hex(random_bytes(8));
mkdir($folder);
register_shutdown_function(static fn() => array_map('unlink', glob("$folder/*")) && rmdir($folder));
$module = "$folder/worker_mode.so";
exec('cc -shared -fPIC -DCOMPILE_DL_WORKER_MODE $(php-config --includes) ' . __DIR__ . "/worker_mode.c -o $module 2>&1",
  $said, $code);
if ($code !== 0) die(implode("\n", $said));
// One request a line, from standard input: cookies and what to do.
file_put_contents("$folder/worker.php", <<<'END'
  <?php
  class Wrapping extends SessionHandler {
    function write($id, $data): bool {
      return $GLOBALS['what'] === 'throw' ? throw new LogicException('thrown') : parent::write($id, $data);
    }
  }
  function page(): string {
    global $what;
    if ($what === 'leases') return (string) clustered_session_status()['counters']['lock_renewals'];
    if ($what === 'held') return (string) clustered_session_status()['locks']['held'];
    static $wrapping = null;
    if (getenv('WRAP')) session_set_save_handler($wrapping ??= new Wrapping(), false);
    session_start();
    [$word, $value] = explode('=', "$what=");
    if ($word === 'set') $_SESSION['v'] = $value;
    if ($word === 'throw') $_SESSION['v'] = 'never';
    if ($word === 'login') {
      session_regenerate_id(true);
      $_SESSION['v'] = $value;
    }
    $seen = $_SESSION['v'] ?? '-';
    if ($word === 'logout') session_destroy();
    return $seen;
  }
  $input = fopen('php://stdin', 'r');
  while ($line = fgets($input)) {
    ['cookies' => $cookies, 'what' => $what] = json_decode($line, true);
    $answer = json_encode(worker_request($cookies, 'page'));
    file_put_contents('php://stdout', "$answer\n");
  }
  END);
final class Worker {
  private $process;
  private array $pipes = [];
  function __construct(public readonly string $name, string $folder, array $ini, array $environment = []) {
    $command = ['timeout', '-s', 'KILL', (string) PROCESS_LIFETIME_S, getenv('TEST_PHP_CGI_EXECUTABLE'), '-q'];
    foreach (explode(' ', trim(getenv('TEST_PHP_EXTRA_ARGS'))) as $word) if ($word !== '') $command[] = trim($word, '"\'');
    foreach (['extension' => "$folder/worker_mode.so", 'clustered_session.server_id' => $name,
        'session.save_handler' => 'clustered', 'session.use_strict_mode' => '1'] + $ini as $setting => $value) {
      array_push($command, '-d', "$setting=\"$value\"");
    }
    array_push($command, '-f', "$folder/worker.php");
    // Not run-tests.php's own environment: that tells a CGI program to run this very test.
    $this->process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], ['file', '/dev/null', 'w']], $this->pipes, null,
      $environment + ['PATH' => getenv('PATH')]);
  }
  function ask(array &$jar, string $what): string {
    fwrite($this->pipes[0], json_encode(['cookies' => (object) $jar, 'what' => $what]) . "\n");
    $answer = json_decode((string) fgets($this->pipes[1]), true) ?? ['no answer'];
    foreach ($answer as $i => $line) {
      if ($i > 0 && preg_match('/^Set-Cookie: ([^=]+)=([^;]*)/', $line, $match)) $jar[$match[1]] = $match[2];
    }
    return "$this->name, $what: $answer[0], " . ($jar['PHPSESSID_AT'] ?? 'no cookie') . "\n";
  }
  function __destruct() {
    fclose($this->pipes[0]);
    fclose($this->pipes[1]);
    proc_close($this->process);
  }
}
$ini = ['session.save_path' => save_path(new Node(), new Node()), 'clustered_session.takeover_grace' => '0'];
$a = new Worker('a', $folder, $ini);
$b = new Worker('b', $folder, $ini);
$ann = $bob = $old = [];
echo $a->ask($ann, 'set=ann');
echo $a->ask($bob, 'set=bob');
echo $b->ask($bob, 'set=bob on b');
echo $a->ask($bob, 'look'), $a->ask($bob, 'look'), $a->ask($ann, 'look');
$old = $bob;
echo $a->ask($bob, 'login=bob is in');
echo $b->ask($old, 'look'), $b->ask($bob, 'logout');
$gone = $bob;
echo $a->ask($gone, 'look');
var_dump($gone['PHPSESSID'] !== $bob['PHPSESSID']);
unset($a, $b);

echo "-- a wrapping handler that throws at its write\n";
foreach (['local', 'cluster'] as $lock) {
  $lock_ini = ['clustered_session.lock' => $lock, 'clustered_session.lock_wait' => '0'] + $ini;
  $c = new Worker('c', $folder, $lock_ini, ['WRAP' => '1']);
  $cid = $none = [];
  echo $c->ask($cid, 'set=1'), $c->ask($cid, 'throw'), $c->ask($cid, 'look');
  echo strstr($c->ask($none, 'held'), ', no', true), "\n";
  // Left open again: the next open is another client's.
  echo $c->ask($cid, 'throw'), $c->ask($none, 'set=2'), strstr($c->ask($none, 'held'), ', c', true), "\n";
  unset($c);
}
?>
--EXPECT--
a, set=ann: ann, a.1
a, set=bob: bob, a.1
b, set=bob on b: bob on b, b.2
a, look: bob on b, a.3
a, look: bob on b, a.3
a, look: ann, a.1
a, login=bob is in: bob is in, a.1
b, look: -, b.1
b, logout: bob is in, b.2
a, look: -, a.1
bool(true)
-- a wrapping handler that throws at its write
c, set=1: 1, c.1
c, throw: never, c.1
c, look: 1, c.1
c, held: 0
c, throw: never, c.1
c, set=2: 2, c.1
c, held: 0
c, set=1: 1, c.1
c, throw: never, c.1
c, look: 1, c.1
c, held: 0
c, throw: never, c.1
c, set=2: 2, c.1
c, held: 0
