--TEST--
clustered_session_examine(): how nodes hold all that this server has, in parts, and what the command makes of it
--INI--
session.save_handler=clustered
session.use_strict_mode=0
clustered_session.copies=2
clustered_session.repair_rate=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$nodes = [new Node(), new Node(), new Node()];
ini_set('session.save_path', save_path(...$nodes));

// All parts together, and how many there were.
function examine(int $limit = 1000, bool $ask = true): array {
  $sum = ['parts' => 0, 'top' => []];
  $cursor = 0;
  do {
    $part = clustered_session_examine($cursor, $limit, $ask);
    foreach (['sessions', 'ends', 'incomplete', 'lost'] as $key) $sum[$key] = ($sum[$key] ?? 0) + $part[$key];
    foreach ($part['nodes'] as $on) foreach ($on as $outcome => $n) $sum[$outcome] = ($sum[$outcome] ?? 0) + $n;
    array_push($sum['top'], ...$part['top']);
    ++$sum['parts'];
    $cursor = $part['next'];
  } while ($cursor !== 0);
  return $sum;
}
function show(string $title, array $sum): void {
  unset($sum['parts'], $sum['top']);
  echo "$title: ", json_encode(array_filter($sum)), "\n";
}
show('nothing', examine());
for ($i = 0; $i < 200; ++$i) session("examined$i", function (&$data) use ($i) { $data['text'] = str_repeat('x', 10 * $i); });
for ($i = 0; $i < 10; ++$i) session("examined$i", fn() => session_destroy());
$whole = examine();
show('whole', $whole);
usort($whole['top'], fn($one, $other) => $other['bytes'] <=> $one['bytes']);
$first = $whole['top'][0];
printf("the largest: %d bytes, %d write, %d, by %d; a key of %d characters, no ID\n", $first['bytes'], $first['writes'], $first['takeovers'], $first['writers'], strlen($first['key']));
var_dump(count($whole['top']) <= 40 * $whole['parts'], str_contains(serialize($whole), 'examined'));
$small = examine(20);
var_dump($small['parts'] > 3);
show('in small parts', $small);
$before = counters('node_waits', 'writes', 'local_hits');
show('without nodes', examine(1000, false));

// What is wrong with some of them.
$items = function () use ($nodes): array {
  $items = [];
  foreach ($nodes as $node) foreach ($node->keys() as $key) $items[$key][] = $node->item($key);
  return array_filter($items, fn($each) => count($each) === 2);
};
$earlier = $items();
run_php('session_id("examined53"); session_start(); $_SESSION["n"] = 1; session_write_close();', [],
  ['session.save_path' => ini_get('session.save_path'), 'session.save_handler' => 'clustered', 'session.use_strict_mode' => '0']);
$same = array_keys(array_filter($items(), fn($each, $key) => $each === $earlier[$key], ARRAY_FILTER_USE_BOTH));
$holders = fn(string $key) => array_values(array_filter($nodes, fn($node) => in_array($key, $node->keys(), true)));
$holders($same[0])[0]->remove($same[0]);
foreach ($holders($same[1]) as $node) $node->remove($same[1]);
$holders($same[2])[0]->put($same[2], 'garbage');
show('broken', examine());
$nodes[0]->kill();
$down = examine();
var_dump($down['unknown'] > 0, $down['right'] > 0, $down['lost'] <= 1);

foreach ([[0, 0], [0, 10001]] as $arguments) {
  try {
    clustered_session_examine(...$arguments);
  } catch (ValueError $error) {
    echo $error->getMessage(), "\n";
  }
}
foreach ([-1, PHP_INT_MAX, 1 << 32 | 0xfffffff, 5] as $cursor) var_dump(is_int(clustered_session_examine($cursor, 10, false)['next']));
ini_set('session.save_path', '');
show('one server', examine());
?>
--EXPECTF--
nothing: []
whole: {"sessions":190,"ends":10,"right":410}
the largest: 2005 bytes, 1 write, 1, by 1; a key of 22 characters, no ID
bool(true)
bool(false)
bool(true)
in small parts: {"sessions":190,"ends":10,"right":410}
without nodes: {"sessions":190,"ends":10}
broken: {"sessions":190,"ends":10,"incomplete":4,"lost":1,"right":404,"missing":3,"later":2,"unreadable":1}
bool(true)
bool(true)
bool(true)
clustered_session_examine(): Argument #2 ($limit) must be 1 to 10000
clustered_session_examine(): Argument #2 ($limit) must be 1 to 10000
bool(true)
bool(true)
bool(true)
bool(true)
one server: []%A
