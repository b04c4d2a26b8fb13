--TEST--
The affinity cookie: sent with the session cookie's attributes when the server changes, and only then
--INI--
session.save_handler=clustered
session.cookie_httponly=0
session.cookie_samesite=
clustered_session.server_id=a
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$page = <<<'END'
  <?php
  foreach ($_GET as $name => $value) {
    if (str_contains($name, '_')) ini_set(strtr($name, ['session_' => 'session.']), $value);
  }
  if (isset($_GET['flush'])) { echo 'early '; flush(); }
  if (isset($_GET['twice'])) { session_start(); session_write_close(); }
  @session_start();
  if (isset($_GET['set'])) $_SESSION['n'] = $_GET['set'];
  if (isset($_GET['regenerate'])) session_regenerate_id((bool) $_GET['regenerate']);
  if (isset($_GET['destroy'])) session_destroy();
  echo json_encode($_SESSION);
  END;
$ini = ['session.save_path' => save_path(new Node(), new Node()), 'session.use_strict_mode' => '0'];
$a = new WebServer($page, 1, $ini);
$b = new WebServer($page, 1, ['clustered_session.server_id' => 'b'] + $ini);
$alone = new WebServer($page, 1, ['session.save_path' => '']);
$balancer = new WebServer($page, 1, ['clustered_session.affinity' => 'balancer'] + $ini);
function show(string $what, object $answer): void {
  $lines = preg_grep('/_AT=/', $answer->set_cookie);
  echo "$what: ", implode(' AND ', preg_replace('/expires=[^;]*/', 'expires=DATE', $lines)) ?: '-', "\n";
}
show('new', $answer = $a->ask('set=1'));
$cookies = $answer->cookies;
show('shown', $a->ask('', $cookies));
show('shown, changed', $a->ask('set=2', $cookies));
show('not shown', $a->ask('', ['PHPSESSID' => $cookies['PHPSESSID']]));
show('not shown, two starts', $a->ask('twice', ['PHPSESSID' => $cookies['PHPSESSID']]));
show('another server', $answer = $b->ask('', $cookies));
$cookies = $answer->cookies + $cookies;
show('another server, shown', $b->ask('', $cookies));
show('back', $answer = $a->ask('', $cookies));
$cookies = $answer->cookies + $cookies;
show('back, shown', $a->ask('', $cookies));
show('regenerated', $answer = $a->ask('regenerate=1', $cookies));
show('regenerated, shown', $a->ask('', $answer->cookies + $cookies));
show('attributes', $a->ask('session_cookie_path=/shop&session_cookie_domain=.example.org&session_cookie_secure=1'
  . '&session_cookie_httponly=1&session_cookie_samesite=Strict&session_cookie_lifetime=3600'));
show('another name', $a->ask('session_name=SHOP'));
show('no cookies', $a->ask('session_use_cookies=0'));
show('headers sent', $a->ask('flush=1'));
show('destroyed', $a->ask('destroy=1'));
show('single server', $alone->ask('set=1'));
show('affinity=balancer', $balancer->ask('set=1'));
foreach (['', 'a', 'a.', '.1', 'a.01', 'a.-1', 'a.99999999999999999999', 'a.1.1', str_repeat('a', 5000) . '.1',
          "a.1\0", '%00', 'é.1'] as $value) {
  $cookies = $a->ask('set=2')->cookies;
  $answer = $a->ask('', ['PHPSESSID_AT' => rawurlencode($value)] + $cookies);
  if ($answer->body !== '{"n":"2"}' || count(preg_grep('/_AT=/', $answer->set_cookie)) !== 1) {
    echo substr($value, 0, 20), ": $answer->body\n";
  }
}
$cookies = $a->ask('set=2')->cookies;
$answer = $a->ask('', [rawurlencode('PHPSESSID_AT[]') => 'a.1'] + array_diff_key($cookies, ['PHPSESSID_AT' => 0]));
echo $answer->body, "\n";
// The session cookie's attributes beside it, but for the value.
$answer = $a->ask('session_cookie_path=/shop&session_cookie_secure=1&session_cookie_samesite=Lax');
var_dump(array_map(fn($line) => strstr($line, ';'), $answer->set_cookie)[0] === strstr($answer->set_cookie[1], ';'));
?>
--EXPECT--
new: PHPSESSID_AT=a.1; path=/
shown: -
shown, changed: -
not shown: PHPSESSID_AT=a.1; path=/
not shown, two starts: PHPSESSID_AT=a.1; path=/
another server: PHPSESSID_AT=b.2; path=/
another server, shown: -
back: PHPSESSID_AT=a.3; path=/
back, shown: -
regenerated: PHPSESSID_AT=a.1; path=/
regenerated, shown: -
attributes: PHPSESSID_AT=a.1; expires=DATE; Max-Age=3600; path=/shop; domain=.example.org; secure; HttpOnly; SameSite=Strict
another name: SHOP_AT=a.1; path=/
no cookies: -
headers sent: -
destroyed: PHPSESSID_AT=a.1; path=/
single server: -
affinity=balancer: -
{"n":"2"}
bool(true)
