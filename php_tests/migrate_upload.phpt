--TEST--
Upload progress takes a session over from the old handler before the script does, under its ID or under a new one
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=1
session.use_cookies=1
session.name=PHPSESSID
session.upload_progress.enabled=1
session.upload_progress.cleanup=0
session.upload_progress.prefix=upload_
session.upload_progress.name=PROGRESS
session.upload_progress.freq=0
session.upload_progress.min_freq=0
file_uploads=1
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
$folder = sys_get_temp_dir() . '/clustered_session_old_' . bin2hex(random_bytes(8));
mkdir($folder);
register_shutdown_function(static fn() => array_map('unlink', glob("$folder/*")) && rmdir($folder));
$script = '<?php session_start(); $_SESSION["n"]++; $done = $_SESSION["upload_photo"]["done"] ?? "none";
  echo json_encode([session_id(), $_SESSION["n"], $done, clustered_session_status()["counters"]["migrated"]]);';
$body = implode("\r\n", ['--part', 'Content-Disposition: form-data; name="PROGRESS"', '', 'photo',
  '--part', 'Content-Disposition: form-data; name="file1"; filename="file1.txt"', '', str_repeat('1', 20000), '--part--', '']);
foreach ([['same', 'off'], ['new', 'off'], ['same', 'on']] as [$which, $shared]) {
  $server = new WebServer($script, 1, ['session.save_path' => save_path(new Node(), new Node()),
    'clustered_session.migrate_from' => "files:$folder", 'clustered_session.migrate_to' => "files:$folder",
    'clustered_session.migrate_id' => $which, 'clustered_session.migrate_shared' => $shared]);
  $old = bin2hex(random_bytes(16));
  file_put_contents("$folder/sess_$old", 'n|i:1;');
  $answer = WebServer::read($server->send('', ['PHPSESSID' => $old], "Content-Type: multipart/form-data; boundary=part\r\n", $body));
  [$id, $n, $done, $migrated] = json_decode($answer->body, true) ?? [$answer->body, 0, 0, 0];
  $cookies = array_unique(array_filter($answer->set_cookie, static fn($line) => str_starts_with($line, 'PHPSESSID=')));
  echo "$which, shared $shared: ", $id === $old ? 'kept' : 'new', ", n $n, done ", json_encode($done), ", migrated $migrated, cookies for it ",
    count(array_filter($cookies, static fn($line) => str_starts_with($line, "PHPSESSID=$id"))), ' of ', count($cookies), ', there ',
    json_encode(file_exists("$folder/sess_$old")), json_encode(file_exists("$folder/sess_$id")), "\n";
  $again = WebServer::read($server->send('', ['PHPSESSID' => $id]));
  echo '  then ', json_encode(array_slice(json_decode($again->body, true), 1)), ' ', json_decode($again->body)[0] === $id ? 'kept' : 'new', "\n";
}
?>
--EXPECT--
same, shared off: kept, n 2, done true, migrated 1, cookies for it 0 of 0, there truetrue
  then [3,true,1] kept
new, shared off: new, n 2, done true, migrated 1, cookies for it 1 of 1, there falsetrue
  then [3,true,1] kept
same, shared on: kept, n 2, done true, migrated 1, cookies for it 0 of 0, there truetrue
  then [3,true,1] kept
