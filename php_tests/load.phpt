--TEST--
The extension loads, registers its save handler and describes itself
--INI--
session.save_handler=clustered
--FILE--
<?php
var_dump(extension_loaded('clustered_session'), phpversion('clustered_session'));
var_dump(session_module_name());
$extension = new ReflectionExtension('clustered_session');
print_r(array_keys($extension->getFunctions()));
print_r($extension->getDependencies());
var_dump($extension->getClassNames(), $extension->getConstants());
// The function is what the stub file says.
echo new ReflectionFunction('clustered_session_status');
try {
  clustered_session_status(1);
} catch (ArgumentCountError $error) {
  echo $error->getMessage(), "\n";
}
?>
--EXPECTF--
bool(true)
string(%d) "%d.%d.%d"
string(9) "clustered"
Array
(
    [0] => clustered_session_status
    [1] => clustered_session_metrics
    [2] => clustered_session_inspect
    [3] => clustered_session_examine
    [4] => clustered_session_new_key
)
Array
(
    [session] => Required
)
array(0) {
}
array(0) {
}
Function [ <internal:clustered_session> function clustered_session_status ] {

  - Parameters [0] {
  }
  - Return [ array ]
}
clustered_session_status() expects exactly 0 arguments, 1 given
