--TEST--
A wrapping handler may write an ID that only create_sid or a failed validateId() has seen, and what it wrote is read
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

// Reads nothing from its parent for a new session, as Symfony's StrictSessionHandler does.
class Strict extends SessionHandler implements SessionUpdateTimestampHandlerInterface {
  private ?string $new = null;
  private ?string $fetched = null;
  function create_sid(): string { return $this->new = parent::create_sid(); }
  function validateId($id): bool {
    $this->fetched = parent::read($id);
    if ($this->fetched === '') $this->new = $id;
    return $this->fetched !== '';
  }
  function read($id): string|false {
    $data = $id === $this->new ? '' : $this->fetched ?? parent::read($id);
    $this->new = $this->fetched = null;
    return $data;
  }
  function updateTimestamp($id, $data): bool { return $this->write($id, $data); }
}

$path = save_path(new Node(), new Node());
ini_set('session.save_path', $path);
session_set_save_handler(new Strict(), false);
ini_set('session.use_strict_mode', 1);
$id = session(null, function (&$data) { $data['n'] = 1; });
echo json_encode(seen_elsewhere($id, $path)), "\n";
session($id, function (&$data) { var_dump($data['n']++); });
session_set_save_handler(new Strict(), false);
session($id, function (&$data) { var_dump($data['n']++); });
echo json_encode(seen_elsewhere($id, $path)), "\n";
var_dump(session('unknown-to-everybody', function (&$data) { $data['n'] = 5; }) !== 'unknown-to-everybody');
?>
--EXPECT--
{"n":1}
int(1)
int(2)
{"n":3}
bool(true)
