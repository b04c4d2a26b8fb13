--TEST--
Nodes with TLS: sessions, passwords and locks through it, and what is said where it fails
--INI--
session.save_handler=clustered
session.use_strict_mode=0
clustered_session.connect_timeout=5s
clustered_session.operation_timeout=5s
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_tls();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$folder = sys_get_temp_dir() . '/clustered_session_tls_' . bin2hex(random_bytes(8));
mkdir($folder, 0755);
register_shutdown_function(static fn() => array_map('unlink', glob("$folder/*")) && rmdir($folder));

// Its own authority: the certificate is in NAME.pem, with its key behind it.
function certificate(string $name, string $names): string {
  global $folder;
  exec("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$name " .
    "-addext subjectAltName=$names -keyout $folder/$name.key -out $folder/$name.pem 2>&1", $lines, $code);
  if ($code !== 0) throw new RuntimeException(implode("\n", $lines));
  file_put_contents("$folder/$name.pem", file_get_contents("$folder/$name.key"), FILE_APPEND);
  chmod("$folder/$name.pem", 0644);
  return "$folder/$name.pem";
}
file_put_contents("$folder/users", "web:s3cret\n");
chmod("$folder/users", 0644);
$good = certificate('good', 'IP:127.0.0.1');
$other = certificate('other', 'DNS:other.example');
$nodes = [];
foreach ([$good, $good, $other] as $file) $nodes[] = new Node("-Y $folder/users -Z -o ssl_chain_cert=$file,ssl_key=$file");
[$m1, $m2, $m3] = array_map(fn($node) => "tls://{$node->address()}", $nodes);
$path = "m1=$m1,m2=$m2";
$ini = ['clustered_session.tls_ca_file' => $good, 'clustered_session.username' => 'web',
  'clustered_session.password' => 's3cret', 'clustered_session.connect_timeout' => '5s'];
$seen = function (string $id, string $path, array $more = []) use ($ini): void {
  echo json_encode(seen_elsewhere($id, $path, $more + $ini)), "\n";
  $log = preg_replace(['/127.0.0.1:\d+/', '/ after \d+ ms/', '#"[^"]*/#'], ['ADDRESS', '', '"'], logged());
  echo preg_replace('/^clustered_session: no node of .*\n/m', '', $log);
};

// A server writes, others read: small, large, under the lock of the cluster.
$write = 'session_id("tls-session"); session_start(); $_SESSION["n"] = 1; $_SESSION["large"] = str_repeat("x", 300000);
  session_write_close(); $status = clustered_session_status();
  ob_end_clean(); echo json_encode([array_column($status["nodes"], "state"), $status["counters"]["node_errors"]]);';
echo run_php($write, [], ['session.save_path' => $path, 'clustered_session.lock' => 'cluster'] + $ini), "\n", logged();
$read = 'session_id("tls-session"); session_start(["read_and_close" => true]); ob_end_clean();
  echo json_encode([$_SESSION["n"], strlen($_SESSION["large"])]);';
echo run_php($read, [], ['session.save_path' => $path] + $ini), "\n", logged();

// Without the authority, with another one, with a certificate of another name.
$seen('a', "m1=$m1", ['clustered_session.tls_ca_file' => '']);
$seen('a', "m1=$m1", ['clustered_session.tls_ca_file' => $other]);
$seen('a', "m3=$m3", ['clustered_session.tls_ca_file' => $other]);
$seen('a', "m3=$m3", ['clustered_session.tls_ca_file' => $other, 'clustered_session.tls_server_name' => 'other.example']);
$seen('a', "m3=$m3", ['clustered_session.tls_verify' => 'insecure']);
$seen('a', "m1=$m1", ['clustered_session.tls_ca_file' => '/nowhere/ca.pem']);

// Settings that are refused.
foreach (['tls_ca_file' => 'ca.pem', 'tls_server_name' => 'a:1', 'tls_verify' => 'none'] as $name => $value) {
  echo run_php('', [], ["clustered_session.$name" => $value]), logged();
}
$info = run_php('phpinfo(INFO_MODULES); echo ob_get_clean();', [], ['clustered_session.tls_verify' => 'insecure']);
echo preg_match('/^TLS to nodes => OpenSSL .*; (NODES ARE NOT CHECKED.*)$/m', $info, $found) ? $found[1] : $info, "\n";
?>
--EXPECTF--
[["up","up"],0]
[1,300000]
"failed"
clustered_session: node m1 (tls://ADDRESS): TLS: no authority that this server trusts vouches for its certificate (clustered_session.tls_ca_file): %s
"failed"
clustered_session: node m1 (tls://ADDRESS): TLS: no authority that this server trusts vouches for its certificate (clustered_session.tls_ca_file): %s
"failed"
clustered_session: node m3 (tls://ADDRESS): TLS: its certificate is not for "127.0.0.1" (clustered_session.tls_server_name) [CS-NODE-%s]
[]
[]
"failed"
clustered_session: node m1 (tls://ADDRESS): clustered_session.tls_ca_file: cannot use "ca.pem": No such file or directory [CS-NODE-%s]
clustered_session: clustered_session.tls_ca_file: invalid value "ca.pem": must be an absolute path of at most 250 bytes; using none [CS-SETTING]
clustered_session: clustered_session.tls_server_name: invalid value "a:1": must be a host name of at most 250 of A-Z a-z 0-9 . - _; using none [CS-SETTING]
clustered_session: clustered_session.tls_verify: invalid value "none": must be full or insecure; using full [CS-SETTING]
NODES ARE NOT CHECKED (clustered_session.tls_verify = insecure)
