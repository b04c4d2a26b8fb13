--TEST--
Session keys with a key file: a dump of nodes tells nothing of IDs, keys rotate, and servers are changed over
--INI--
session.save_handler=clustered
session.use_cookies=0
session.use_strict_mode=0
session.sid_length=48
error_reporting=E_ALL & ~E_DEPRECATED
clustered_session.local_trust=0
clustered_session.connect_timeout=5s
clustered_session.operation_timeout=5s
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$nodes = [new Node(), new Node()];
$path = save_path(...$nodes);
function key_file(string ...$lines): string {
  $file = tempnam(sys_get_temp_dir(), 'clustered_session_keys');
  register_shutdown_function(static fn() => @unlink($file));
  chmod($file, 0600);
  file_put_contents($file, implode("\n", $lines));
  return $file;
}
$one = clustered_session_new_key('one');
$two = clustered_session_new_key('two');
$keys = ['first' => key_file($one), 'adding' => key_file($one, $two), 'leading' => key_file($two, $one), 'second' => key_file($two)];

// A server of its own: its session, under this ID or a new one, and what nodes hold meanwhile.
function serve(string $file, ?string $id, string $payload, array $ini = [], string $then = ''): array {
  global $path;
  $code = 'if ($argv[1] !== "") session_id($argv[1]); session_start(); $found = $_SESSION["user"] ?? null;
    $_SESSION["user"] = $argv[2]; session_write_close(); session_start();
    require $argv[3]; $dumps = array_map(fn($port) => array_map(base64_encode(...), (new NodeItems((int) $port))->dump()), array_slice($argv, 4));
    ' . $then . '
    ob_end_clean(); echo json_encode([session_id(), $found, $dumps]);';
  $ports = array_map(fn($node) => (string) $node->port, $GLOBALS['nodes']);
  [$id, $found, $dumps] = json_decode(run_php($code, [(string) $id, $payload, __DIR__ . '/node_items.inc', ...$ports],
    $ini + ['session.save_path' => $path, 'clustered_session.key_file' => $file]), true);
  return ['id' => $id, 'found' => $found, 'dump' => array_map(fn($dump) => array_map(base64_decode(...), $dump), $dumps)];
}
// Under which key a server without a key file keeps this ID.
function plain_key(string $id): string {
  $node = new Node();
  run_php('session_id($argv[1]); session_start(); $_SESSION["a"] = 1;', [$id], ['session.save_path' => save_path($node)]);
  [$key] = $node->keys();
  $node->kill();
  return $key;
}
// What a dump shows of this: keys and values of all nodes.
function shown(array $dumps, string $id): array {
  $text = '';
  foreach ($dumps as $dump) foreach ($dump as $key => $value) $text .= "$key\n$value\n";
  $shown = [];
  for ($at = 0; $at + 8 <= strlen($id); ++$at) if (str_contains($text, substr($id, $at, 8))) $shown['ID'] = true;
  if (str_contains($text, plain_key($id))) $shown['plain key'] = true;
  if (str_contains($text, 'orchid')) $shown['payload'] = true;
  return array_keys($shown);
}
function records(): array {
  $keys = array_merge(...array_map(fn($node) => $node->keys(), $GLOBALS['nodes']));
  return array_values(array_unique($keys));
}

echo "-- a dump, with a lock --\n";
$lock = ['clustered_session.lock' => 'cluster'];
foreach (['without a key file' => '', 'with one' => $keys['first']] as $what => $file) {
  $told = serve($file, null, 'orchid', $lock);
  $types = array_map(fn($key) => preg_replace('/[A-Za-z0-9_-]{22}/', '*', $key), array_merge(...array_map('array_keys', $told['dump'])));
  $types = array_unique(preg_grep('/^cs:\*/', $types));
  sort($types);
  echo $what, ': ', json_encode(shown($told['dump'], $told['id'])), ' of ', json_encode($types), "\n";
  // Another server takes it over and ends it.
  $ended = serve($file, $told['id'], 'orchid', $lock, 'session_destroy();');
  $dumps = array_map(fn($node) => $node->dump(), $nodes);
  echo json_encode($ended['found']), ' ', json_encode(shown($dumps, $told['id'])), "\n";
  foreach ($nodes as $node) $node->flush();
}

echo "-- unsigned --\n";
$told = serve($keys['first'], null, 'orchid', ['clustered_session.signed_ids' => 'off']);
echo json_encode(shown($told['dump'], $told['id'])), "\n";
foreach ($nodes as $node) $node->flush();

echo "-- rotation --\n";
$id = serve($keys['first'], null, 'ada')['id'];
$records = records();
$lost = [];
foreach (['first', 'adding', 'leading', 'adding', 'leading'] as $step => $which) {
  if (serve($keys[$which], $id, 'ada')['found'] !== 'ada') $lost[] = $step;
}
echo json_encode([$lost, count($records), records() === $records]), "\n";
$new = serve($keys['leading'], $id, 'ada', [], 'session_regenerate_id();')['id'];
echo json_encode([$new !== $id, count(records())]), "\n";
// The old key is removed.
echo json_encode([serve($keys['second'], $new, 'ada')['found'], serve($keys['second'], $id, 'nobody', ['session.use_strict_mode' => '1'])['id'] !== $id]), "\n";
foreach ($nodes as $node) $node->flush();

echo "-- roll-out --\n";
$script = <<<'END'
  <?php
  session_start();
  if (isset($_GET['user'])) $_SESSION = ['user' => $_GET['user'], 'n' => 0];
  if (isset($_SESSION['n'])) ++$_SESSION['n'];
  echo session_id(), ' ', $_SESSION['user'] ?? 'nobody', ' ', $_SESSION['n'] ?? 0;
  END;
function server(string $stage): WebServer {
  global $script, $path, $keys;
  static $all = [];  // each has a folder while it lives
  return $all[] = new WebServer($script, 1, ['session.save_path' => $path, 'session.name' => 'S', 'session.use_cookies' => '1',
    'session.use_strict_mode' => '1', 'clustered_session.key_file' => $stage === '' ? '' : $keys['first'],
    'clustered_session.encryption' => $stage === '' ? 'require' : $stage]);
}
$stages = ['', ''];
$servers = [server(''), server('')];
$users = [];  // name => [ID, how often it was counted]
$login = function () use (&$users, &$servers, &$stages) {
  foreach ($servers as $i => $server) {
    $name = "{$stages[$i]}$i-" . count($users);
    [$id] = explode(' ', $server->ask("user=$name", [])->body);
    $users[$name] = [$id, 1];
  }
};
$login();
foreach ([[0, 'read'], [1, 'read'], [0, 'write'], [1, 'write'], [0, 'require'], [1, 'require']] as [$i, $stage]) {
  $stages[$i] = $stage;
  $servers[$i] = server($stage);
  $lost = [];
  // Those of before, and then also those that either server makes now.
  foreach ([0, 1] as $round) {
    if ($round === 1) $login();
    foreach ($users as $name => &$user) {
      foreach ($servers as $server) {
        $said = $server->ask('', ['S' => $user[0]])->body;
        if ($said !== "$user[0] $name " . ++$user[1]) $lost[] = "$name: $said";
      }
    }
    unset($user);
  }
  echo json_encode($stages), ': ', count($users), ' sessions, lost: ', json_encode($lost), "\n";
}
$plain = array_filter($users, fn($user) => in_array(plain_key($user[0]), records(), true));
echo json_encode(array_keys($plain)), "\n";
?>
--EXPECT--
-- a dump, with a lock --
without a key file: ["plain key","payload"] of ["cs:*","cs:*:lock"]
"orchid" ["plain key"]
with one: [] of ["cs:*","cs:*:lock"]
"orchid" []
-- unsigned --
["plain key"]
-- rotation --
[[],1,true]
[true,2]
["ada",true]
-- roll-out --
["read",""]: 4 sessions, lost: []
["read","read"]: 6 sessions, lost: []
["write","read"]: 8 sessions, lost: []
["write","write"]: 10 sessions, lost: []
["require","write"]: 12 sessions, lost: []
["require","require"]: 14 sessions, lost: []
["0-0","1-1","read0-2","1-3","read0-4","read1-5","read1-7"]
