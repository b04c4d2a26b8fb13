--TEST--
With the smallest local_memory sessions come and go, and those that find no room are served from the nodes
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
ini_set('session.save_path', save_path(new Node(), new Node()));
$ids = [];
for ($i = 0; $i < 60; ++$i) {
  $ids[] = session("small-memory-$i", function (&$data) use ($i) {
    $data = ['i' => $i, 'text' => str_repeat(chr(65 + $i % 26), 50_000)];
  });
}
$wrong = 0;
foreach ($ids as $i => $id) {
  session($id, function ($data) use ($i, &$wrong) {
    if ($data !== ['i' => $i, 'text' => str_repeat(chr(65 + $i % 26), 50_000)]) ++$wrong;
  });
}
['entries' => $entries, 'payload_used' => $used, 'payload_bytes' => $room] = clustered_session_status()['memory'];
var_dump($wrong, $entries > 5 && $entries < 25, $used <= $room, counters('evictions')['evictions'] > 60);
// Larger than a local copy may be: from the nodes each time, and no warning.
$id = session('large-session', function (&$data) { $data['text'] = str_repeat('x', 600_000); });
session($id, function (&$data) { var_dump(strlen($data['text'])); $data['n'] = 1; });
session($id, function (&$data) { var_dump(strlen($data['text']), $data['n']); });
?>
--EXPECT--
int(0)
bool(true)
bool(true)
bool(true)
int(600000)
int(600000)
int(1)
