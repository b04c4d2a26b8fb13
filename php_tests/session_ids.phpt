--TEST--
What is no session ID is refused without a crash, and no message gives a whole ID away
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/support.inc';
$ids = [
  'NUL' => "abcdefghijklmnop\0qrstuvwxyz", 'NUL first' => "\0abcdefghijklmnopqrst",
  'slashes' => '../../../../etc/passwd',
  'long' => str_repeat('abcdefghij', 1000), '257' => str_repeat('a', 257), 'newline' => "abcdefghijkl\r\nset x 0 0 1",
  'space' => 'abcdefghijkl mnopqrstuvwxyz', 'utf8' => "abcdefghijklmnopq\u{e9}rstu", 'one' => '/', 'four' => '////',
];
foreach ($ids as $what => $id) {
  $messages = [];
  set_error_handler(function ($level, $message) use (&$messages) { $messages[] = $message; });
  session_id($id);
  $started = session_start();
  restore_error_handler();
  echo "$what: ", $started ? 'started' : 'refused', ', ', addcslashes($messages[0] ?? 'no message', "\0..\x1f"), "\n";
  foreach ($messages as $message) {
    if (strlen($id) > 1 && str_contains($message, $id)) echo "  the ID is in it\n";
    if (strlen($message) > 400) echo "  it is too long\n";
  }
  if ($started) session_abort();
}
$longest = str_repeat('a', 256);
var_dump(session($longest, function (&$data) { $data['n'] = 1; }) === $longest);
session($longest, function ($data) { echo json_encode($data), "\n"; });
// Neither have they got into memory.
var_dump(clustered_session_status()['memory']['entries']);
?>
--EXPECT--
NUL: refused, session_start(): invalid session ID "abcd...": must be 1 to 256 of A-Z, a-z, 0-9, "-" and "," [CS-SESSION-ID]
NUL first: started, no message
slashes: refused, session_start(): invalid session ID "../....": must be 1 to 256 of A-Z, a-z, 0-9, "-" and "," [CS-SESSION-ID]
long: refused, session_start(): invalid session ID "abcd...": must be 1 to 256 of A-Z, a-z, 0-9, "-" and "," [CS-SESSION-ID]
257: refused, session_start(): invalid session ID "aaaa...": must be 1 to 256 of A-Z, a-z, 0-9, "-" and "," [CS-SESSION-ID]
newline: started, no message
space: started, no message
utf8: refused, session_start(): invalid session ID "abcd...": must be 1 to 256 of A-Z, a-z, 0-9, "-" and "," [CS-SESSION-ID]
one: refused, session_start(): invalid session ID "...": must be 1 to 256 of A-Z, a-z, 0-9, "-" and "," [CS-SESSION-ID]
four: refused, session_start(): invalid session ID "/...": must be 1 to 256 of A-Z, a-z, 0-9, "-" and "," [CS-SESSION-ID]
bool(true)
{"n":1}
int(1)
