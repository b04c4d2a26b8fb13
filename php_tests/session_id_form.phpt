--TEST--
A session ID is as long as session.sid_length says, in the alphabet of session.sid_bits_per_character, and names a node
--INI--
session.save_handler=clustered
session.use_cookies=0
error_reporting=E_ALL & ~E_DEPRECATED
--FILE--
<?php
require __DIR__ . '/support.inc';
// No node is asked for an ID, so none has to run.
ini_set('session.save_path', 'm1=127.0.0.1:1,m2=127.0.0.1:2,longest1234name5=127.0.0.1:3');
// What laminas-session accepts; CodeIgniter wants the length as well.
$alphabets = [4 => '0-9a-f', 5 => '0-9a-v', 6 => '0-9a-zA-Z,-'];
$names = [];
foreach ($alphabets as $bits => $alphabet) {
  foreach ([22, 26, 32, 40, 255, 256] as $length) {
    ini_set('session.sid_bits_per_character', $bits);
    ini_set('session.sid_length', $length);
    for ($i = 0; $i < 20; ++$i) {
      session_id('');
      session_start();
      $ids = ['new' => session_id(), 'created' => session_create_id()];
      session_regenerate_id($i % 2 === 1);
      $ids['regenerated'] = session_id();
      session_write_close();
      foreach ($ids as $what => $id) {
        if (!preg_match("/^[$alphabet]{{$length}}$/D", $id)) echo "$bits bits, $length characters, $what: $id\n";
        if (node_of($id) === null) echo "$bits bits, $length characters, $what: names no node\n";
        $names[node_of($id)] = true;
      }
      if (count(array_unique($ids)) !== 3) echo "an ID comes twice\n";
    }
  }
}
ksort($names);
echo implode(' ', array_keys($names)), "\n";
?>
--EXPECT--
longest1234name5 m1 m2
