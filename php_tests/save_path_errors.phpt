--TEST--
A save_path that is not one: session_start() fails and says which part is wrong
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
--FILE--
<?php
require __DIR__ . '/support.inc';
$paths = [
  'm1=127.0.0.1:11211,m2=127.0.0.1:70000', 'localhost:abc', 'localhost:0', 'localhost:-1', 'localhost:11211:0',
  'm1=127.0.0.1:11211,,m2=127.0.0.1:11212', ',', 'a:1,', ' ', 'redis://127.0.0.1:6379', 'tcp://127.0.0.1:11211',
  'm1=127.0.0.1:11211,m1=127.0.0.1:11212', '127.0.0.1:11211,127.0.0.1:11211', 'a_b=127.0.0.1', '=127.0.0.1', 'm1=',
  '::1:11211', '[::1', 'unix:relative', "bad\x01byte", str_repeat('x', 10000), str_repeat('n:1,', 2500),
  'PERSISTENT=x 127.0.0.1:11211', '127.0.0.1:1;127.0.0.1:2', 'm1:127.0.0.1:11211', '/tmp', '2;0600;/tmp',
];
set_error_handler(function ($level, $message) {
  echo '  ', strlen($message) > 400 ? substr($message, 0, 100) . '...' : $message, "\n";
});
foreach ($paths as $path) {
  echo strlen($path) > 100 ? substr($path, 0, 20) . '...' : addcslashes($path, "\0..\x1f"), "\n";
  ini_set('session.save_path', $path);
  if (session_start()) echo "  started\n";
  $status = clustered_session_status();
  if ($status['mode'] !== 'unusable' || !str_starts_with($status['error'], 'save_path: ')) {
    echo "  status does not say so\n";
  }
}
// The next good one works.
ini_set('session.save_path', '');
var_dump(session_start(), clustered_session_status()['mode'], isset(clustered_session_status()['error']));
?>
--EXPECT--
m1=127.0.0.1:11211,m2=127.0.0.1:70000
  session_start(): save_path: node 2 ("m2=127.0.0.1:70000"): port must be 1 to 65535 [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: m1=127.0.0.1:11211,m2=127.0.0.1:70000)
localhost:abc
  session_start(): save_path: node 1 ("localhost:abc"): port must be 1 to 65535 [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: localhost:abc)
localhost:0
  session_start(): save_path: node 1 ("localhost:0"): port must be 1 to 65535 [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: localhost:0)
localhost:-1
  session_start(): save_path: node 1 ("localhost:-1"): port must be 1 to 65535 [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: localhost:-1)
localhost:11211:0
  session_start(): save_path: node 1 ("localhost:11211:0"): weight must be 1 to 1000 [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: localhost:11211:0)
m1=127.0.0.1:11211,,m2=127.0.0.1:11212
  session_start(): save_path: node 2 (""): is empty [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: m1=127.0.0.1:11211,,m2=127.0.0.1:11212)
,
  session_start(): save_path: node 1 (""): is empty [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: ,)
a:1,
  session_start(): save_path: node 2 (""): is empty [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: a:1,)
 
  session_start(): save_path: node 1 (""): is empty [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path:  )
redis://127.0.0.1:6379
  session_start(): save_path: node 1 ("redis://127.0.0.1:6379"): unknown scheme "redis"; write host:port, [IPv6]:port, tls://host:port or unix:/path [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: redis://127.0.0.1:6379)
tcp://127.0.0.1:11211
  session_start(): save_path: node 1 ("tcp://127.0.0.1:11211"): unknown scheme "tcp"; write host:port, [IPv6]:port, tls://host:port or unix:/path [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: tcp://127.0.0.1:11211)
m1=127.0.0.1:11211,m1=127.0.0.1:11212
  session_start(): save_path: node 2 ("m1=127.0.0.1:11212"): node 1 has the same name [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: m1=127.0.0.1:11211,m1=127.0.0.1:11212)
127.0.0.1:11211,127.0.0.1:11211
  session_start(): save_path: node 2 ("127.0.0.1:11211"): node 1 has the same address [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: 127.0.0.1:11211,127.0.0.1:11211)
a_b=127.0.0.1
  session_start(): save_path: node 1 ("a_b=127.0.0.1"): the name must be 1 to 16 of A-Z a-z 0-9 [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: a_b=127.0.0.1)
=127.0.0.1
  session_start(): save_path: node 1 ("=127.0.0.1"): the name must be 1 to 16 of A-Z a-z 0-9 [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: =127.0.0.1)
m1=
  session_start(): save_path: node 1 ("m1="): the address is missing; write host:port, [IPv6]:port, tls://host:port or unix:/path [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: m1=)
::1:11211
  session_start(): save_path: node 1 ("::1:11211"): an IPv6 address needs brackets, such as [::1]:11211 [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: ::1:11211)
[::1
  session_start(): save_path: node 1 ("[::1"): the ']' of the IPv6 address is missing [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: [::1)
unix:relative
  session_start(): save_path: node 1 ("unix:relative"): a unix socket needs an absolute path [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: unix:relative)
bad\001byte
  session_start(): save_path: node 1 ("bad\x01byte"): control characters are not allowed [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: badbyte)
xxxxxxxxxxxxxxxxxxxx...
  session_start(): save_path: must be at most 8192 bytes long, has 10000 [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: xxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
n:1,n:1,n:1,n:1,n:1,...
  session_start(): save_path: must be at most 8192 bytes long, has 10000 [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: n:1,n:1,n:1,n:1,n:1,n:1,n:1,n...
PERSISTENT=x 127.0.0.1:11211
  session_start(): save_path: node 1 ("PERSISTENT=x 127.0.0.1:11211"): leave out php-memcached's PERSISTENT=: connections are always kept [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: PERSISTENT=x 127.0.0.1:11211)
127.0.0.1:1;127.0.0.1:2
  session_start(): save_path: node 1 ("127.0.0.1:1;127.0.0.1:2"): separate nodes by "," [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: 127.0.0.1:1;127.0.0.1:2)
m1:127.0.0.1:11211
  session_start(): save_path: node 1 ("m1:127.0.0.1:11211"): a name ends with "="; write m1=host:port [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: m1:127.0.0.1:11211)
/tmp
  session_start(): save_path: node 1 ("/tmp"): a path is no node; write unix:/path for a socket, or leave session.save_path empty for a single server [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: /tmp)
2;0600;/tmp
  session_start(): save_path: node 1 ("2;0600;/tmp"): a path is no node; write unix:/path for a socket, or leave session.save_path empty for a single server [CS-SAVE-PATH]
  session_start(): Failed to initialize storage module: clustered (path: 2;0600;/tmp)
bool(true)
string(13) "single-server"
bool(false)
