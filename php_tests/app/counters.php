<?php
// Counters of several clients in one session, for e2e/run_counters: each client has a key of its own in $_SESSION, so
// that what two of them change at once is merged. A counter is [token, count]; the client chooses the token when it
// finds no counter, so that a counter of a destroyed session is told from its successor.
//   GET                             what the session holds, by read_and_close
//   GET ?status                     what clustered_session_status() says, with no session
//   POST what=look                  as GET, by a session that stays open to the end
//   POST what=add client= token=    one more
//   POST what=regenerate            a new ID for the session; the old one is destroyed
//   POST what=destroy
// An answer of 200 is an acknowledgement: the session was read, and written without a warning.
declare(strict_types=1);

header('Cache-Control: no-store');
header('Content-Type: application/json');
if (isset($_GET['status'])) {
    echo json_encode(clustered_session_status()), "\n";
    return;
}

$what = $_POST['what'] ?? 'read';
$done = session_start(['read_and_close' => $what === 'read']);
$seen = [];
$warning = '';
$states = array_column(clustered_session_status()['nodes'], 'state');
if ($done) {
    error_clear_last();
    if ($what === 'add') {
        [$token, $count] = $_SESSION[$_POST['client']] ?? [$_POST['token'], 0];
        $_SESSION[$_POST['client']] = [$token, $count + 1];
    }
    if ($what === 'regenerate') {
        $done = session_regenerate_id(true);
    }
    $seen = $what === 'destroy' ? [] : $_SESSION;
    if ($what !== 'read') {
        $done = ($what === 'destroy' ? session_destroy() : session_write_close()) && $done;
    }
    // A write that fails is a warning, and session_write_close() is true all the same.
    $warning = error_get_last()['message'] ?? '';
}
http_response_code($done && $warning === '' ? 200 : 503);
echo json_encode([
    'seen' => (object) $seen,
    'warning' => $warning,
    'server_id' => (string) ini_get('clustered_session.server_id'),
    // What this server thinks of the nodes: '+-+' is that the second one fails.
    'nodes' => implode(array_map(fn ($state) => $state === 'up' ? '+' : '-', $states)),
]), "\n";
