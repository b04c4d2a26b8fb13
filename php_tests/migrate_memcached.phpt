--TEST--
Sessions of php-memcached are taken over, with its nodes, prefix and serializer, its locks on and off
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=1
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
foreach (['igbinary', 'msgpack', 'memcached'] as $extension) {
  if (!extension_loaded($extension) && !is_file(ini_get('extension_dir') . "/$extension.so")) die("skip no $extension");
}
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$nodes = save_path(new Node(), new Node());
$old = [new Node(), new Node()];
$old_path = implode(',', array_map(fn($node) => $node->address(), $old));

function run_with_memcached(string $code, string $id, array $ini): string {
  $extensions = '';
  foreach (['igbinary', 'msgpack', 'memcached'] as $name) {
    if (!extension_loaded($name)) $extensions .= "-d extension=$name ";
  }
  $child = new ChildProcess(php_command("$extensions -r " . escapeshellarg("ob_start(); $code") . ' -- ' . escapeshellarg($id), $ini));
  return $child->rest();
}

foreach (['1', '0'] as $locking) {
  foreach (['php', 'igbinary'] as $serializer) {
    $ini = ['session.serialize_handler' => $serializer, 'memcached.sess_locking' => $locking,
      'memcached.sess_prefix' => "shop.$locking.", 'memcached.sess_consistent_hash' => '1'];
    echo "-- locks $locking, $serializer\n";
    $ids = [];
    for ($i = 0; $i < 6; ++$i) {
      $ids[] = run_with_memcached('session_start(); $_SESSION["n"] = 1; session_write_close(); ob_end_clean(); echo session_id();', '',
        $ini + ['session.save_handler' => 'memcached', 'session.save_path' => $old_path]);
    }
    $changed = $ini + ['session.save_path' => $nodes, 'clustered_session.migrate_from' => "memcached:$old_path",
      'clustered_session.migrate_to' => "memcached:$old_path"];
    foreach ($ids as $id) {
      echo run_with_memcached('session_id($argv[1]); session_start(); $_SESSION["n"]++; session_write_close();
        $c = clustered_session_status()["counters"]; ob_end_clean();
        echo $_SESSION["n"], session_id() === $argv[1] ? " kept" : " new", " migrated $c[migrated], errors $c[migration_errors]\n";', $id, $changed);
    }
    echo 'back:';
    foreach ($ids as $id) {
      echo run_with_memcached('session_id($argv[1]); session_start(); ob_end_clean(); echo " ", $_SESSION["n"] ?? "none";', $id,
        $ini + ['session.save_handler' => 'memcached', 'session.save_path' => $old_path]);
    }
    // No lock of the old handler is left behind: nobody could read the session for its time.
    $left = 0;
    foreach ($old as $node) $left += count(preg_grep('/lock/', array_keys($node->dump())));
    echo "\nlocks left: $left\n";
    echo 'logged out: ', run_with_memcached('session_id($argv[1]); session_start(); session_destroy(); ob_end_clean(); echo "done, ";', $ids[0], $changed);
    echo run_with_memcached('session_id($argv[1]); session_start(); ob_end_clean(); echo $_SESSION["n"] ?? "gone there", "\n";', $ids[0],
      $ini + ['session.save_handler' => 'memcached', 'session.save_path' => $old_path]);
  }
}
echo logged();
?>
--EXPECT--
-- locks 1, php
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
back: 2 2 2 2 2 2
locks left: 0
logged out: done, gone there
-- locks 1, igbinary
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
back: 2 2 2 2 2 2
locks left: 0
logged out: done, gone there
-- locks 0, php
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
back: 2 2 2 2 2 2
locks left: 0
logged out: done, gone there
-- locks 0, igbinary
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
2 kept migrated 1, errors 0
back: 2 2 2 2 2 2
locks left: 0
logged out: done, gone there
