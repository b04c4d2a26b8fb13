--TEST--
A class that extends SessionHandler, without validateId() and updateTimestamp() and with them
--DESCRIPTION--
valgrind
--INI--
session.gc_probability=0
session.save_handler=clustered
session.save_path=
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/support.inc';

class Plain extends SessionHandler {
  function open($path, $name): bool { echo 'open '; return parent::open($path, $name); }
  function close(): bool { echo "close\n"; return parent::close(); }
  function read($id): string|false { echo 'read '; return parent::read($id); }
  function write($id, $data): bool { echo 'write '; return parent::write($id, $data); }
  function destroy($id): bool { echo 'destroy '; return parent::destroy($id); }
  function gc($lifetime): int|false { echo 'gc '; return parent::gc($lifetime); }
  function create_sid(): string { echo 'create_sid '; return parent::create_sid(); }
}

class Full extends Plain implements SessionUpdateTimestampHandlerInterface {
  public array $known = [];
  function validateId($id): bool { echo 'validate '; return in_array($id, $this->known); }
  function updateTimestamp($id, $data): bool { echo 'update '; return $this->write($id, $data); }
}

// What PHP does with an ID that was destroyed. From 8.6 on SessionHandler has a validateId(), and an empty session that
// stays so is an update.
$destroyed = PHP_VERSION_ID < 80600
  ? ['Plain' => 'open read [] write close', 'Full' => 'open validate create_sid read [] write close']
  : ['Plain' => 'open create_sid read [] write close', 'Full' => 'open validate create_sid read [] update write close'];

foreach ([new Plain(), $full = new Full()] as $handler) {
  echo get_class($handler), "\n";
  session_set_save_handler($handler, false);
  $id = session(null, function (&$data) { $data['n'] = 1; });
  $full->known = [$id];
  session($id, function ($data) { echo json_encode($data), ' '; });
  session($id, function (&$data) { $data['n'] = 2; });
  session_id($id);
  session_start();
  session_regenerate_id(true);
  echo json_encode($_SESSION), ' ';
  var_dump(session_gc());
  $new = session_id();
  session_write_close();
  $full->known = [$new];
  ob_start();
  session($id, function ($data) { echo json_encode($data), ' '; });
  $calls = trim(ob_get_clean());
  echo $calls === $destroyed[get_class($handler)] ? 'destroyed' : $calls, "\n";
  session($new, function ($data) { echo json_encode($data), ' '; session_destroy(); });
  echo "\n";
}
?>
--EXPECT--
Plain
open create_sid read write close
open read {"n":1} write close
open read write close
open read destroy close
open create_sid read {"n":2} gc int(0)
write close
destroyed
open read {"n":2} destroy close

Full
open create_sid read write close
open validate read {"n":1} update write close
open validate read write close
open validate read destroy close
open create_sid validate read {"n":2} gc int(0)
write close
destroyed
open validate read {"n":2} destroy close

