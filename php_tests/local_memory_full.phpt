--TEST--
Local memory full of sessions that no node has: a clear warning, a counter, and those that are kept stay whole
--INI--
session.save_handler=clustered
clustered_session.local_memory=1M
clustered_session.flush_timeout=10ms
clustered_session.connect_timeout=20ms
clustered_session.operation_timeout=20ms
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$node = new Node();
ini_set('session.save_path', save_path($node));
$node->kill();
$warnings = [];
set_error_handler(function ($level, $text) use (&$warnings) { $warnings[] = $text; });
$kept = [];
for ($i = 0; $i < 200 && !$warnings; ++$i) {
  $id = session(null, function (&$data) use ($i) { $data['n'] = "$i " . str_repeat('x', 20000); });
  if (!$warnings) $kept[$id] = $i;
}
var_dump(count($kept) > 20, count($kept) < 60);
echo preg_replace('/of \d+ bytes/', 'of N bytes', $warnings[0]), "\n";
var_dump(counters('store_full')['store_full'] > 0, clustered_session_status()['memory']['unreplicated'] === count($kept));
foreach ($kept as $id => $i) {
  session($id, function ($data) use ($i) { if (!str_starts_with($data['n'], "$i x")) echo "$i is not whole\n"; });
}
?>
--EXPECTF--
bool(true)
bool(true)
session_write_close(): no node took the session, and clustered_session.local_memory has no room for it (local_memory is full of sessions that no node has acknowledged): this request's changes are lost [CS-NO-ROOM]
bool(true)
bool(true)
%Aclustered_session: unwritten sessions: %d; no node took them within clustered_session.flush_timeout (10ms), and they are lost if this server stops now [CS-UNWRITTEN]
