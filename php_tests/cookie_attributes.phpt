--TEST--
The affinity cookie has the session cookie's attributes byte for byte, whatever they are, and session_start() says and does what it does with files
--INI--
session.save_handler=clustered
clustered_session.server_id=a
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
if (!getenv('TEST_PHP_CGI_EXECUTABLE')) die('skip php-cgi is not installed');
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$page = <<<'END'
  <?php
  $said = [];
  set_error_handler(function ($level, $text) use (&$said) { $said[] = $text; return true; });
  try {
    foreach (json_decode($_GET['settings'], true) as $name => $value) ini_set("session.$name", $value);
    $said[] = session_status() === PHP_SESSION_ACTIVE || session_start();
    $_SESSION['n'] = 1;
  } catch (Throwable $thrown) {
    $said[] = get_class($thrown) . ': ' . $thrown->getMessage();
  }
  echo json_encode($said);
  END;
$table = [
  [],
  ['cookie_path' => ''], ['cookie_path' => '/shop'], ['cookie_path' => '/; samesite=None'], ['cookie_path' => '/a,b/'],
  ['cookie_path' => '/a b'], ['cookie_path' => "/a\tb\v\f"], ['cookie_path' => '/é="%20"'],
  ['cookie_path' => '/ '], ['cookie_path' => "/\n"], ['cookie_path' => "/\r\nX-Injected: 1"],
  ['cookie_path' => "/\nSet-Cookie: b=1"], ['cookie_path' => str_repeat('/long', 1000)],
  ['cookie_domain' => '.example.org'], ['cookie_domain' => '.a.example,.b.example'], ['cookie_domain' => 'a b; c'],
  ['cookie_domain' => 'localhost:8080'], ['cookie_domain' => "example.org\n"],
  ['cookie_samesite' => 'Strict'], ['cookie_samesite' => 'None; Partitioned'], ['cookie_samesite' => 'no such'],
  ['cookie_samesite' => "Lax \t\r\n"],
  ['cookie_secure' => '1'], ['cookie_httponly' => '1'], ['cookie_secure' => '0', 'cookie_httponly' => '0'],
  ['cookie_lifetime' => '1'], ['cookie_lifetime' => '31536000'], ['cookie_lifetime' => '-1'],
  ['cookie_lifetime' => '253402300800'],  // the year 10000 and later
  ['cookie_lifetime' => '9223372034707292159'], ['cookie_lifetime' => '9223372036854775807'],
  ['cookie_lifetime' => 'a day'],
  ['cookie_partitioned' => '1'], ['cookie_partitioned' => '1', 'cookie_secure' => '1'],  // of PHP 8.5
  ['name' => 'my-session'], ['name' => 'a:b'], ['name' => 'Séance'], ['name' => 'a+b'], ['name' => '__Host-id'],
  ['name' => 'a.b'], ['name' => 'a b'], ['name' => 'a=b'], ['name' => 'a,b'], ['name' => "a\tb"], ['name' => 'a[b'],
  ['use_cookies' => '0', 'use_only_cookies' => '0'],
  ['name' => 'SHOP', 'cookie_path' => '/; a=b', 'cookie_domain' => ',', 'cookie_secure' => '1',
   'cookie_httponly' => '1', 'cookie_samesite' => 'Lax', 'cookie_lifetime' => '600'],
];

$folder = sys_get_temp_dir() . '/clustered_session_files_' . getmypid();
mkdir($folder);
file_put_contents("$folder/page.php", $page);
register_shutdown_function(static fn() => array_map('unlink', glob("$folder/*")) && rmdir($folder));
$clustered = ['session.save_path' => save_path(new Node(), new Node())];
$files = ['session.save_handler' => 'files', 'session.save_path' => $folder];

// A request to php-cgi.
function ask_cgi(string $query, array $ini): object {
  $command = ['env', 'REDIRECT_STATUS=1', 'REQUEST_METHOD=GET', "QUERY_STRING=$query",
    "SCRIPT_FILENAME={$GLOBALS['folder']}/page.php", getenv('TEST_PHP_CGI_EXECUTABLE')];
  $command = implode(' ', array_map('escapeshellarg', $command)) . ' ' . getenv('TEST_PHP_EXTRA_ARGS');
  foreach ($ini as $name => $value) $command .= ' -d ' . escapeshellarg("$name=\"$value\"");
  return WebServer::read(popen("$command 2>&1", 'r'));
}

// What follows the value in the cookie of this name; null without that cookie.
function attributes(object $answer, string $suffix): ?string {
  foreach ($answer->set_cookie as $line) {
    [$cookie, $attributes] = explode(';', $line, 2) + ['', ''];
    if (str_ends_with(strstr($cookie, '=', true), '_AT') === ($suffix !== '')) return $attributes;
  }
  return null;
}

// The seconds of the two may differ: asked again, then.
function check(string $where, array $settings, callable $ask): void {
  $query = 'settings=' . urlencode(json_encode($settings));
  for ($tries = 0; $tries < 20; ++$tries) {
    $ours = $ask($query, $GLOBALS['clustered']);
    if (attributes($ours, '') === attributes($ours, '_AT')) break;
  }
  $theirs = $ask($query, $GLOBALS['files']);
  $without_time = fn($attributes) => $attributes === null ? null : preg_replace('/expires=[^;]*/', '', $attributes);
  $facts = ['session' => attributes($ours, ''), 'affinity' => attributes($ours, '_AT'), 'cookies' =>
    count($ours->set_cookie), 'with files' => attributes($theirs, ''), 'said' => $ours->body, 'files' => $theirs->body];
  if ($facts['session'] !== $facts['affinity'] || count($ours->set_cookie) !== 2 * count($theirs->set_cookie) ||
      $without_time($facts['session']) !== $without_time($facts['with files']) || $ours->body !== $theirs->body) {
    echo "$where ", json_encode($settings), ': ', json_encode($facts), "\n";
  }
  $GLOBALS['sent'][$where] = ($GLOBALS['sent'][$where] ?? 0) + (count($ours->set_cookie) === 2 ? 1 : 0);
}

$servers = ['clustered' => new WebServer($page, 1, $clustered), 'files' => new WebServer($page, 1, $files)];
$ask_server = fn($query, $ini) => $servers[$ini['session.save_handler'] ?? 'clustered']->ask($query);
foreach ($table as $settings) {
  check('php -S', $settings, $ask_server);
  check('php-cgi', $settings, ask_cgi(...));
}
// Settings of php.ini, and a session that starts before the script does.
foreach (['/; samesite=None', '/a,b c', "/\t"] as $path) {
  foreach (['.a.example,.b.example', 'a b'] as $domain) {
    $more = ['session.auto_start' => '1', 'session.cookie_path' => $path, 'session.cookie_domain' => $domain];
    check('auto_start', [], fn($query, $ini) => ask_cgi($query, $ini + $more));
  }
}
// So that cookies were compared, and not their absence. Some settings let PHP send none, more with PHP 8.5.
foreach ($sent as $where => $count) {
  echo "$where: ", $count >= ($where === 'auto_start' ? 6 : 30) ? 'cookies compared' : "only $count cookies", "\n";
}
?>
--EXPECT--
php -S: cookies compared
php-cgi: cookies compared
auto_start: cookies compared
