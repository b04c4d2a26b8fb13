--TEST--
Each of the nine callbacks is called through SessionHandler and answers as PHP documents it
--DESCRIPTION--
valgrind
--INI--
session.save_handler=clustered
session.save_path=
--FILE--
<?php
require __DIR__ . '/support.inc';
$handler = new class extends SessionHandler {
  // Passes what a wrapping handler may do: any order, any ID.
};
session_set_save_handler($handler, false);
session_start();
$a = session_id();
var_dump($handler->create_sid() !== $handler->create_sid());
var_dump($handler->read('another-id'), $handler->write('another-id', 'n|i:1;'), $handler->read('another-id'));
var_dump($handler->write('a-third-id', 'n|i:3;'), $handler->read('a-third-id'), $handler->read('another-id'));
var_dump($handler->destroy('another-id'), $handler->read('another-id'));
var_dump($handler->destroy('never-seen'), $handler->gc(1440));
var_dump($handler->write('bad/id', 'n|i:1;'), @$handler->read("nul\0byte"), $handler->destroy('bad/id'));
var_dump($handler->close());
try {
  var_dump($handler->read($a));
} catch (Error $error) {
  echo get_class($error), ': ', $error->getMessage(), "\n";
}
session_abort();
?>
--EXPECTF--
bool(true)
string(0) ""
bool(true)
string(6) "n|i:1;"
bool(true)
string(6) "n|i:3;"
string(6) "n|i:1;"
bool(true)
string(0) ""
bool(true)
int(0)

Warning: SessionHandler::write(): invalid session ID "b...": must be 1 to 256 of A-Z, a-z, 0-9, "-" and "," [CS-SESSION-ID] in %s on line %d
bool(false)
bool(false)
bool(true)
bool(true)

Warning: SessionHandler::read(): Parent session handler is not open in %s on line %d
bool(false)

Warning: SessionHandler::close(): Parent session handler is not open in %s on line %d
