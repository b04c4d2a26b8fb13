--TEST--
Two servers change one session of the serialize handler msgpack at once: one side wins as a whole, and it is counted
--EXTENSIONS--
msgpack
--INI--
session.save_handler=clustered
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
require __DIR__ . '/conflict_unsplit.inc';
?>
--EXPECT--
merge: {"both":"mine","gone":1,"kept":1,"mine":1} {"conflicts":1,"merge_collisions":1}
the same here
mine: {"both":"mine","gone":1,"kept":1,"mine":1} {"conflicts":1}
the same here
theirs: {"both":"theirs","kept":1,"theirs":1} {"conflicts":1}
the same here
