--TEST--
clustered-session drain and undrain: what each server has to do next, and when a node may be stopped
--SKIPIF--
<?php
if (!is_file(__DIR__ . '/../share/bin/clustered-session')) die('skip no share/bin/clustered-session');
?>
--FILE--
<?php
ob_start();
require __DIR__ . '/../share/bin/clustered-session';
ob_end_clean();
use function ClusteredSession\Command\{drain_step, lists_of, save_path_of};

function report(string $save_path, bool $whole = true, array $missing = []): array {
  return ['settings' => ['session.save_path' => $save_path],
    'status' => ['repair' => ['whole' => $whole, 'missing' => $missing], 'memory' => ['unreplicated' => 0]]];
}
function show(string $command, string $save_path, mixed ...$more): void {
  [$step, $set, $text] = drain_step($command, 'm2', report($save_path, ...$more));
  echo "$step: $text\n", $set === null ? '' : "  $set\n";
}
show('drain', 'm1=a:1,m2=b:1,m3=c:1');
$both = 'm1=a:1,m3=c:1 previously m1=a:1,m2=b:1,m3=c:1';
show('drain', $both, false, ['m1' => ['copies' => 7, 'tombstones' => 1], 'm2' => ['copies' => 99, 'tombstones' => 0]]);
show('drain', $both);
show('drain', 'm1=a:1,m3=c:1');
show('drain', 'm2=b:1');
show('drain', 'm1=a:1,m2=b:1 previously m1=a:1');
show('undrain', $both);
show('undrain', 'm1=a:1,m2=b:1,m3=c:1');
show('undrain', 'm1=a:1,m3=c:1');
// What it says to set is read as it was meant.
[$list, $previous] = lists_of(' m1=a:1:2 , [::1]:11211,unix:/x  previously  h,m2=tls://b ');
echo json_encode([array_keys($list), array_keys($previous)], JSON_UNESCAPED_SLASHES), "\n", save_path_of($list, $previous), "\n";
?>
--EXPECT--
set: set this, and reload PHP: new sessions and new copies go to the other nodes
  m1=a:1,m3=c:1 previously m1=a:1,m2=b:1,m3=c:1
moving: copies are moving away: other nodes lack 8
ready: all that this server knows has its copies on other nodes
  m1=a:1,m3=c:1
done: does not use node m2
never: has no other node than m2
wait: is in the middle of another change of its list: finish that first
set: set this, and reload PHP
  m1=a:1,m2=b:1,m3=c:1 previously m1=a:1,m3=c:1
done: node m2 is in its list
set: does not know the node m2; add it to session.save_path
[["m1","[::1]:11211","unix:/x"],["h","m2"]]
m1=a:1:2,[::1]:11211,unix:/x previously h,m2=tls://b
