--TEST--
A request that opens another client's session: its own cookie vouches for none but its own session
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
// With ?look: after its own session, an administrator's page opens a visitor's, and then its own again.
$page = <<<'END'
  <?php
  session_start();
  if (isset($_GET['set'])) $_SESSION['v'] = $_GET['set'];
  $own = session_id();
  session_write_close();
  if (isset($_GET['look'])) {
    session_id($_GET['look']);
    session_start(['read_and_close' => true]);
    $visitor = $_SESSION['v'] ?? '-';
    session_id($own);
    session_start(['read_and_close' => true]);
    echo "visitor $visitor, own ", $_SESSION['v'] ?? '-';
  } else {
    echo $_SESSION['v'] ?? '-';
  }
  END;
$ini = ['session.save_path' => save_path(new Node(), new Node()), 'session.use_strict_mode' => '0',
  'clustered_session.takeover_grace' => '0'];
foreach (['a', 'b'] as $name) $web[$name] = new WebServer($page, 1, ['clustered_session.server_id' => $name] + $ini);
$jars = ['admin' => [], 'visitor' => []];
function go(string $server, string $who, string $query): void {
  $jar = &$GLOBALS['jars'][$who];
  $answer = $GLOBALS['web'][$server]->ask($query, $jar);
  $jar = $answer->cookies + $jar;
  echo "$server, $who: $answer->body, has {$jar['PHPSESSID_AT']}\n";
}
go('a', 'admin', 'set=root');
go('a', 'visitor', 'set=anonymous');
go('b', 'visitor', 'set=ann');
$id = $jars['visitor']['PHPSESSID'];
$own = $jars['admin']['PHPSESSID'];
go('a', 'admin', "look=$id");  // not the copy that this server had before
go('a', 'admin', '');          // and its own cookies are its own still
var_dump($jars['admin']['PHPSESSID'] === $own);
go('a', 'visitor', '');
go('a', 'admin', "look=$id");
?>
--EXPECT--
a, admin: root, has a.1
a, visitor: anonymous, has a.1
b, visitor: ann, has b.2
a, admin: visitor ann, own root, has a.1
a, admin: root, has a.1
bool(true)
a, visitor: ann, has a.3
a, admin: visitor ann, own root, has a.1
