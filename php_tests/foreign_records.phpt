--TEST--
What others wrote under our key is a miss with a line in the log, and is replaced
--INI--
session.save_handler=clustered
session.use_strict_mode=0
session.use_cookies=0
clustered_session.local_trust=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$node = new Node();
$path = save_path($node);
ini_set('session.save_path', $path);
$id = session(null, function (&$data) { $data['text'] = str_repeat('x', 200); });
[$key] = $node->keys();
$good = $node->item($key);
$flip = function (int $at) use ($good) { $good[$at] = chr(ord($good[$at]) ^ 0x41); return $good; };
$records = [
  'empty' => '', 'one byte' => 'C', 'garbage' => random_bytes(300), 'text' => 'user|s:3:"ada";',
  'zeros' => str_repeat("\0", 300),
  'truncated' => substr($good, 0, -10), 'header only' => substr($good, 0, 192), 'half a header' => substr($good, 0, 30),
  'overlong' => "$good.", 'magic' => $flip(0), 'flags' => $flip(5),
  'version' => $flip(8), 'payload' => $flip(strlen($good) - 20), 'checksum' => $flip(45),
];
foreach ($records as $what => $bytes) {
  $node->put($key, $bytes);
  // A server without a copy sees nothing, says so in the log and not to the script, and replaces it.
  $output = run_php('session_id($argv[1]); session_start(); echo json_encode($_SESSION); $_SESSION["what"] = $argv[2];',
    [$id, $what], ['session.save_path' => $path]);
  $log = logged();
  $said = preg_match('/^clustered_session: node m1 \(\S+\): an item under our key is unreadable \((.*?)\)/',
    $log, $match);
  if (str_contains($log, $id)) echo "the ID is in the log\n";
  echo "$what: $output ", $said ? $match[1] : "nothing in the log: $log", ' ',
    json_encode(seen_elsewhere($id, $path)), "\n";
}
// A record of a later version is no such thing: the session fails, and the record stays.
$later = substr_replace($good, chr(99), 4, 1);
$node->put($key, $later);
$output = run_php('session_id($argv[1]); session_start(); $_SESSION["what"] = "lost";', [$id],
  ['session.save_path' => $path]);
echo 'format 99: ', str_contains($output, 'in the format of a later clustered_session') ? 'refused' : $output, ', ',
  $node->item($key) === $later ? 'kept' : 'replaced', "\n";
?>
--EXPECT--
empty: [] shorter than a record's header {"what":"empty"}
one byte: [] shorter than a record's header {"what":"one byte"}
garbage: [] not a record of clustered_session {"what":"garbage"}
text: [] shorter than a record's header {"what":"text"}
zeros: [] not a record of clustered_session {"what":"zeros"}
truncated: [] wrong checksum {"what":"truncated"}
header only: [] wrong checksum {"what":"header only"}
half a header: [] wrong header size {"what":"half a header"}
overlong: [] wrong checksum {"what":"overlong"}
magic: [] not a record of clustered_session {"what":"magic"}
flags: [] wrong checksum {"what":"flags"}
version: [] wrong checksum {"what":"version"}
payload: [] wrong checksum {"what":"payload"}
checksum: [] wrong checksum {"what":"checksum"}
format 99: refused, kept
