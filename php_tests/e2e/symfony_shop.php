<?php
// The shop of php_tests/app, written with Symfony's http-foundation, whose session storage and handler the query chooses.
// run_frameworks puts it on two web servers, whose include_path leads to Symfony. It answers as the shop does.
declare(strict_types=1);

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Session\Session;
use Symfony\Component\HttpFoundation\Session\Storage\Handler\MigratingSessionHandler;
use Symfony\Component\HttpFoundation\Session\Storage\Handler\NullSessionHandler;
use Symfony\Component\HttpFoundation\Session\Storage\Handler\StrictSessionHandler;
use Symfony\Component\HttpFoundation\Session\Storage\MetadataBag;
use Symfony\Component\HttpFoundation\Session\Storage\NativeSessionStorage;
use Symfony\Component\HttpFoundation\Session\Storage\PhpBridgeSessionStorage;

spl_autoload_register(function (string $class): void {
    $file = stream_resolve_include_path(strtr($class, '\\', '/') . '.php');
    if ($file !== false) {
        require $file;
    }
});
require_once 'Symfony/Contracts/Deprecation/function.php';

// With a threshold, Symfony notes the time of a session's last use so seldom that a request may leave it unchanged.
function storage(string $handler): NativeSessionStorage
{
    $bag = new MetadataBag('_sf2_meta', $handler === 'threshold' ? 3600 : 0);
    return match ($handler) {
        // handler_id: null, Symfony's way to PHP's own setting.
        'native', 'threshold' => new NativeSessionStorage([], null, $bag),
        'plain' => new NativeSessionStorage([], new SessionHandler(), $bag),
        'strict' => new NativeSessionStorage([], new StrictSessionHandler(new SessionHandler()), $bag),
        'migrating' => new NativeSessionStorage(
            [],
            new MigratingSessionHandler(new SessionHandler(), new NullSessionHandler()),
            $bag
        ),
        // An older application has started the session before Symfony.
        'bridge' => session_start() ? new PhpBridgeSessionStorage(null, $bag) : throw new RuntimeException('no session'),
    };
}

$node_waits = fn (): ?int => function_exists('clustered_session_status')
    ? clustered_session_status()['counters']['node_waits']
    : null;
$waits = $node_waits();
$request = Request::createFromGlobals();
$session = new Session(storage((string) $request->query->get('handler', 'native')));
$session->start();
switch ($request->request->get('action')) {
    case 'login':
        $session->migrate(true);
        $session->set('user', (string) $request->request->get('user'));
        $session->set('cart', []);
        $session->getFlashBag()->add('notice', 'hello');
        break;
    case 'add':
        $item = (string) $request->request->get('item');
        $cart = $session->get('cart', []);
        $session->set('cart', [$item => ($cart[$item] ?? 0) + 1] + $cart);
        break;
    case 'logout':
        $session->invalidate();
        break;
}
$page = [
    'user' => $session->get('user'),
    'cart' => (object) $session->get('cart', []),
    'server_id' => (string) ini_get('clustered_session.server_id'),
    'pid' => getmypid(),
    'session_id' => $session->getId(),
    'handler' => ini_get('session.save_handler') . ' of ' . $session->getMetadataBag()->getCreated(),
];
// A message for the next page, gone once it is shown.
if ($request->query->has('flash')) {
    $page['user'] = implode(',', $session->getFlashBag()->get('notice'));
}
$session->save();
(new JsonResponse($page + ['waits' => $node_waits() - $waits]))->send();
