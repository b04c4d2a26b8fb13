--TEST--
Cookies from a client: a malformed session ID in strict mode is replaced, and both cookies are sent
--INI--
session.save_handler=clustered
session.use_strict_mode=1
session.use_cookies=1
session.cookie_httponly=1
session.cookie_samesite=Lax
clustered_session.server_id=web-1
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--COOKIE--
PHPSESSID=..%2F..%2Fetc%00passwd; PHPSESSID_AT=web-1.1
--FILE--
<?php
require __DIR__ . '/support.inc';
ini_set('session.save_path', save_path(new Node(), new Node()));
var_dump(strlen($_COOKIE['PHPSESSID']));
$waits = waits(fn() => session_start());
var_dump($waits, preg_match('/^[0-9a-f]{32}$/D', session_id()), $_SESSION);
// What the client showed is what it would be sent: nothing is.
echo implode("\n", preg_replace('/PHPSESSID=[^;]*/', 'PHPSESSID=ID', preg_grep('/^Set-Cookie/', headers_list()))), "\n";
session_write_close();

// A session of another server: the cookie's value changes.
$id = run_php('session_start(); $_SESSION["n"] = 1; echo session_id();', [],
  ['session.save_path' => ini_get('session.save_path'), 'clustered_session.server_id' => 'web-2']);
session_id($id);
session_start();
echo json_encode($_SESSION), "\n";
echo implode("\n", preg_grep('/^Set-Cookie: PHPSESSID_AT/', headers_list())), "\n";
session_write_close();  // before the nodes end
?>
--EXPECTHEADERS--
Set-Cookie: PHPSESSID_AT=web-1.2; path=/; HttpOnly; SameSite=Lax
--EXPECT--
int(16)
int(0)
int(1)
array(0) {
}
Set-Cookie: PHPSESSID=ID; path=/; HttpOnly; SameSite=Lax
{"n":1}
Set-Cookie: PHPSESSID_AT=web-1.2; path=/; HttpOnly; SameSite=Lax
