--TEST--
Strict mode takes known IDs and replaces unknown and malformed ones; without it an unknown ID is taken
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.save_path=
--FILE--
<?php
require __DIR__ . '/support.inc';
foreach ([0, 1] as $strict) {
  ini_set('session.use_strict_mode', $strict);
  echo "strict: $strict\n";
  $known = session(null, function (&$data) { $data['n'] = 1; });
  $empty = session(null);
  foreach (['known' => $known, 'empty' => $empty, 'unknown' => "unknown-to-all-until-now-$strict"] as $what => $id) {
    $got = session($id, function ($data) use ($what) { echo "  $what: ", json_encode($data); });
    echo $got === $id ? ", kept\n" : ", replaced\n";
  }
  $got = session('../../etc/passwd', fn($data) => print '  malformed: ' . json_encode($data));
  echo $got === false ? "  failed\n" : ", replaced\n";
}
?>
--EXPECTF--
strict: 0
  known: {"n":1}, kept
  empty: [], kept
  unknown: [], kept

Warning: session_start(): invalid session ID "../....": must be 1 to 256 of A-Z, a-z, 0-9, "-" and "," [CS-SESSION-ID] in %s on line %d

Warning: session_start(): Failed to read session data: clustered (path: ) in %s on line %d
  failed
strict: 1
  known: {"n":1}, kept
  empty: [], kept
  unknown: [], replaced
  malformed: [], replaced
