--TEST--
Strict mode replaces an ID whose session was made and destroyed in this very request
--INI--
session.save_handler=clustered
session.save_path=
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/support.inc';
$id = session(null, function (&$data) { $data['n'] = 1; });
session_id($id);
session_start();
session_destroy();
var_dump(session($id) === $id);
?>
--EXPECT--
bool(false)
