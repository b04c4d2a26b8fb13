--TEST--
Upload progress opens, reads, writes and closes the session before the script, which finds it and goes on with it
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=0
session.use_cookies=1
session.name=PHPSESSID
session.upload_progress.enabled=1
session.upload_progress.cleanup=0
session.upload_progress.prefix=upload_
session.upload_progress.name=PROGRESS
session.upload_progress.freq=0
session.upload_progress.min_freq=0
file_uploads=1
upload_max_filesize=1024
--COOKIE--
PHPSESSID=rfc1867-session
--POST_RAW--
Content-Type: multipart/form-data; boundary=---------------------------20896060251896012921717172737
-----------------------------20896060251896012921717172737
Content-Disposition: form-data; name="PROGRESS"

photo
-----------------------------20896060251896012921717172737
Content-Disposition: form-data; name="file1"; filename="file1.txt"

1
-----------------------------20896060251896012921717172737
Content-Disposition: form-data; name="file2"; filename="file2.txt"

22
-----------------------------20896060251896012921717172737--
--FILE--
<?php
require __DIR__ . '/support.inc';
$before = clustered_session_status();
var_dump($before['counters']['writes'] > 2, $before['locks']['held']);
session_start();
echo session_id(), "\n";
$progress = $_SESSION['upload_photo'];
var_dump($progress['done'], $progress['bytes_processed'] === $progress['content_length']);
foreach ($progress['files'] as $file) echo "$file[field_name] $file[name] $file[bytes_processed]\n";
unset($_SESSION['upload_photo']);
$_SESSION['names'] = array_column($_FILES, 'name');
session_write_close();
session('rfc1867-session', function ($data) { echo json_encode($data), "\n"; });
?>
--EXPECT--
bool(true)
int(0)
rfc1867-session
bool(true)
bool(true)
file1 file1.txt 1
file2 file2.txt 2
{"names":["file1.txt","file2.txt"]}
