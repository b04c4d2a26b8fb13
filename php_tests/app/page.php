<?php
// The shop's only page, for people; index.php includes it with $page filled.
declare(strict_types=1);

$h = fn (mixed $text): string => htmlspecialchars((string) $text);
$waits = $page['waits'] === null ? 'not counted' : $page['waits'];
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A small shop</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; color: #222; }
  section { border: 1px solid #ddd; border-radius: 8px; padding: 1rem 1.25rem; margin: 1rem 0; }
  button, input { font: inherit; padding: .3rem .8rem; border: 1px solid #bbb; border-radius: 6px; background: #fff; }
  button { cursor: pointer; } button:hover { background: #f2f2f2; }
  form { display: inline; } h1 { margin-bottom: 0; } ul { padding-left: 1.2rem; }
  dl { display: grid; grid-template-columns: 9rem 1fr; margin: 0; font-size: .9rem; } dt { color: #777; }
  dd { margin: 0; font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
</style>
<h1>A small shop</h1>
<section>
<?php if (!$started): ?>
  <p>Your session cannot be read just now. It is not lost: please come back in a moment.</p>
<?php elseif ($page['user'] === null): ?>
  <form method="post">
    <input type="hidden" name="action" value="login">
    <input name="user" placeholder="your name" required maxlength="40" autofocus>
    <button>Log in</button>
  </form>
<?php else: ?>
  <p>Logged in as <b><?= $h($page['user']) ?></b>
    <form method="post"><input type="hidden" name="action" value="logout"><button>Log out</button></form></p>
  <ul>
  <?php foreach ((array) $page['cart'] as $item => $count): ?>
    <li><?= $h(PRODUCTS[$item] ?? $item) ?> &times; <?= $h($count) ?></li>
  <?php endforeach ?>
  <?= (array) $page['cart'] === [] ? '<li>The cart is empty.</li>' : '' ?>
  </ul>
  <?php foreach (PRODUCTS as $item => $name): ?>
  <form method="post">
    <input type="hidden" name="action" value="add">
    <button name="item" value="<?= $h($item) ?>">Add <?= $h(strtolower($name)) ?></button>
  </form>
  <?php endforeach ?>
<?php endif ?>
</section>
<section>
  <dl>
    <dt>served by</dt><dd>server <?= $h($page['server_id']) ?>, process <?= $h($page['pid']) ?></dd>
    <dt>session ID</dt><dd><?= $h($page['session_id']) ?></dd>
    <dt>network waits</dt><dd><?= $h($waits) ?></dd>
  </dl>
</section>
</html>
