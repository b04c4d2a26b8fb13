--TEST--
Sessions of the serialize handler msgpack, with binary zeros, from empty to large, here and elsewhere
--EXTENSIONS--
msgpack
--INI--
session.save_handler=clustered
clustered_session.affinity=balancer
session.serialize_handler=msgpack
session.use_strict_mode=0
--SKIPIF--
<?php
require __DIR__ . '/skip.inc';
need_nodes();
?>
--FILE--
<?php
require __DIR__ . '/support.inc';
require __DIR__ . '/serialize.inc';
?>
--EXPECT--
empty: here, elsewhere
zeros: here, elsewhere
all bytes: here, elsewhere
objects: here, elsewhere
100 KB: here, elsewhere
900 KB: here, elsewhere
new and empty: no wait
empty again: no wait
