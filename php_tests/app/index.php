<?php
// A small shop with a login and a cart, for the demo and the end-to-end tests. It knows nothing of the save handler:
// all it does is session_start(), $_SESSION, session_regenerate_id() at login and session_destroy() at logout.
declare(strict_types=1);

const PRODUCTS = ['tea' => 'Tea', 'lamp' => 'Lamp', 'atlas' => 'Atlas', 'chair' => 'Chair'];

// How often this server's requests have waited for a node so far; null where the extension is not loaded.
function node_waits(): ?int
{
    if (!function_exists('clustered_session_status')) {
        return null;
    }
    $status = clustered_session_status();
    return $status['counters']['node_waits'] ?? $status['node_waits'] ?? null;
}

function act(string $action): void
{
    switch ($action) {
        case 'login':
            session_regenerate_id(true);
            $_SESSION['user'] = substr((string) ($_POST['user'] ?? ''), 0, 40);
            $_SESSION['cart'] = [];
            break;
        case 'add':
            $item = (string) ($_POST['item'] ?? '');
            if (isset($_SESSION['user']) && isset(PRODUCTS[$item])) {
                $_SESSION['cart'][$item] = ($_SESSION['cart'][$item] ?? 0) + 1;
            }
            break;
        case 'logout':
            $_SESSION = [];
            setcookie(session_name(), '', ['expires' => 1, 'path' => '/']);
            session_destroy();
            break;
    }
}

$waits_before = node_waits();
$started = session_start();
$action = $_SERVER['REQUEST_METHOD'] === 'POST' ? (string) ($_POST['action'] ?? '') : '';
if ($started) {
    act($action);
}
$session_id = (string) session_id();
$user = $_SESSION['user'] ?? null;
$cart = $_SESSION['cart'] ?? [];
if (session_status() === PHP_SESSION_ACTIVE) {
    session_write_close();
}
$waits_after = node_waits();

$page = [
    'user' => $user,
    'cart' => (object) $cart,
    'server_id' => (string) (ini_get('clustered_session.server_id') ?: get_cfg_var('clustered_session.server_id')),
    'pid' => getmypid(),
    'session_id' => $session_id,
    'waits' => $waits_before === null ? null : $waits_after - $waits_before,
];

// Nobody is shown as logged out because a session could not be read: they are asked to come back.
http_response_code($started ? 200 : 503);
header('Cache-Control: no-store');
if (str_contains($_SERVER['HTTP_ACCEPT'] ?? '', 'application/json')) {
    $page['status'] = function_exists('clustered_session_status') ? clustered_session_status() : null;
    header('Content-Type: application/json');
    echo json_encode($page, JSON_PARTIAL_OUTPUT_ON_ERROR), "\n";
    return;
}
if ($action !== '') {
    header('Location: /', true, 303);
    return;
}
require __DIR__ . '/page.php';
