--TEST--
A wrapping handler that throws, exits, runs out of memory or does not call its parent leaves no session locked
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
$page = <<<'END'
  <?php
  ob_start();
  class Wrapping extends SessionHandler {
    private function fail(string $where): void {
      switch ($GLOBALS['how']) {
        case "$where throws": throw new LogicException('thrown');
        case "$where exits": exit('exited');
        case "$where needs memory": ini_set('memory_limit', '4M'); str_repeat('x', 100_000_000);
      }
    }
    function open($path, $name): bool { return parent::open($path, $name); }
    function read($id): string|false { $data = parent::read($id); $this->fail('read'); return $data; }
    function write($id, $data): bool {
      $this->fail('write');
      return $GLOBALS['how'] === 'write has no parent' ? true : parent::write($id, $data);
    }
    function close(): bool {
      $this->fail('close');
      return $GLOBALS['how'] === 'close has no parent' ? true : parent::close();
    }
  }
  $how = $_GET['how'] ?? '';
  if ($how === 'a warning throws') {
    set_error_handler(fn($level, $message) => throw new ErrorException($message));
  }
  session_set_save_handler(new Wrapping(), isset($_GET['register']));
  session_id($_GET['id']);
  session_start();
  $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
  if ($how === 'a warning throws') $_SESSION['big'] = str_repeat('x', 2_000_000);
  echo "n={$_SESSION['n']}";
  if (isset($_GET['again'])) {
    try { session_write_close(); } catch (Exception) {}
    $how = '';
    session_start();
    echo ' again=', $_SESSION['n'] ?? '';
    session_write_close();
    echo ' held=', clustered_session_status()['locks']['held'];
  }
  END;
$path = save_path(new Node(), new Node());
$ways = ['read throws', 'read exits', 'write throws', 'write exits', 'write needs memory', 'write has no parent',
  'close throws', 'close exits', 'close has no parent', 'a warning throws'];
$failed = 0;
foreach (['local', 'cluster'] as $lock) {
  $web = new WebServer($page, 1, ['session.save_path' => $path, 'session.use_strict_mode' => '0', 'display_errors' => '0',
    'clustered_session.lock' => $lock, 'clustered_session.lock_wait' => '0']);
  foreach ($ways as $way) {
    foreach (['', '&register'] as $register) {
      $id = bin2hex(random_bytes(16));
      $web->ask("id=$id$register");
      $web->ask("id=$id$register&how=" . urlencode($way));
      // The same worker, and then another server: neither finds the session locked.
      $here = $web->ask("id=$id")->body;
      $kept = str_starts_with($way, 'close') ? 3 : 2;
      $elsewhere = seen_elsewhere($id, $path, ['clustered_session.lock' => $lock, 'clustered_session.lock_wait' => '0']);
      if ($here !== "n=$kept" || ($elsewhere['n'] ?? 0) !== $kept) {
        echo "lock=$lock, $way$register: $here, elsewhere ", json_encode($elsewhere), "\n";
        ++$failed;
      }
    }
    // In the same request, a handler that failed is followed by a session that is not locked.
    if (str_starts_with($way, 'write throws') || $way === 'a warning throws' || $way === 'close has no parent') {
      $id = bin2hex(random_bytes(16));
      echo "lock=$lock, $way, again: ", $web->ask("id=$id&again&how=" . urlencode($way))->body, "\n";
    }
  }
}
var_dump($failed);
?>
--EXPECT--
lock=local, write throws, again: n=1 again= held=0
lock=local, close has no parent, again: n=1 again=1 held=0
lock=local, a warning throws, again: n=1 again= held=0
lock=cluster, write throws, again: n=1 again= held=0
lock=cluster, close has no parent, again: n=1 again=1 held=0
lock=cluster, a warning throws, again: n=1 again= held=0
int(0)
