<?php
// Checks the histories of run_counters: what was asked, what was answered. Prints shell assignments.
//   php check_counters.php <seconds of local_trust> <file>...
//   php check_counters.php self      whether it finds errors, in histories that are made up for it
declare(strict_types=1);

require __DIR__ . '/session_history.php';

/** @param list<array<string, mixed>> $requests in the order in which they were sent */
function check(array $requests, int $trust_ns): array
{
    $sum = ['lost' => 0, 'stale' => 0, 'revived' => 0, 'invented' => 0, 'first_error' => '', 'before_error' => ''];
    $sessions = [];
    foreach ($requests as $request) {
        $sessions[$request['session']][] = $request;
    }
    foreach ($sessions as $of_session) {
        $history = new SessionHistory($of_session, $trust_ns);
        $history->check();
        foreach ($history->errors as $kind => $count) {
            $sum[$kind] += $count;
        }
        if ($sum['first_error'] === '') {
            $sum['first_error'] = $history->first_error;
            $sum['before_error'] = implode('|', $history->before_error);
        }
    }
    return $sum;
}

// Histories of one session with a local_trust of 10, and the errors in them: one request each as '<client> <what>
// <sent> <replied> <counter> ...', a counter as <client>:<token>:<count>; with '?' it was not acknowledged.
const MADE_UP = [
    'nothing is wrong' =>
        ['', 'A add 0 1 A:t:1', 'B add 2 3 A:t:1 B:u:1', 'A add 4 5 A:t:2', 'end read 6 7 A:t:2 B:u:1'],
    'an increment is gone' => ['lost 1', 'A add 0 1 A:t:1', 'A add 2 3 A:t:2', 'end read 4 5 A:t:1'],
    'all of it is gone' => ['lost 2', 'A add 0 1 A:t:1', 'A add 2 3 A:t:2', 'end read 4 5'],
    'seen less for a while' =>
        ['stale 1', 'A add 0 1 A:t:1', 'A add 2 3 A:t:2', 'A look 4 5 A:t:1', 'end read 6 7 A:t:2'],
    'not seen for a while' => ['stale 1', 'A add 0 1 A:t:1', 'A look 2 3', 'end read 4 5 A:t:1'],
    'overwritten, then caught up' =>
        ['lost 1 stale 1', 'A add 0 1 A:t:1', 'A add 2 3 A:t:2', 'A add 4 5 A:t:2', 'end read 6 7 A:t:2'],
    'not acknowledged, and done' => ['', 'A add 0 1 A:t:1', 'A add? 2 3', 'A look 4 5 A:t:2', 'end read 6 7 A:t:2'],
    'not acknowledged, and not done' => ['', 'A add 0 1 A:t:1', 'A add? 2 3', 'end read 4 5 A:t:1'],
    'done twice' => ['invented 1', 'A add 0 1 A:t:1', 'A add? 2 3', 'A look 4 5 A:t:3', 'end read 6 7 A:t:3'],
    'destroyed' => ['', 'A add 0 1 A:t:1', 'B destroy 2 3', 'A look 4 5', 'A add 6 7 A:v:1', 'end read 20 21 A:v:1'],
    'destroyed, and back for its destroyer' =>
        ['lost 1 revived 1', 'A add 0 1 A:t:1', 'A destroy 2 3', 'A look 4 5 A:t:1', 'end read 20 21'],
    'destroyed, and trusted elsewhere' => ['', 'A add 0 1 A:t:1', 'B destroy 2 3', 'A add 4 5 A:t:2', 'end read 20 21'],
    'destroyed, and trusted too long' =>
        ['lost 1 revived 1', 'A add 0 1 A:t:1', 'B destroy 2 3', 'A look 14 15 A:t:1', 'end read 20 21'],
    'destroyed, and back at the end' =>
        ['revived 1', 'A add 0 1 A:t:1', 'B destroy 2 3', 'A look 4 5', 'end read 20 21 A:t:1'],
    'started anew, and gone' => ['lost 1', 'A add 0 1 A:t:1', 'B destroy 2 3', 'A add 20 21 A:v:1', 'end read 40 41'],
    'another ID' => ['', 'A add 0 1 A:t:1', 'A regenerate 2 3 A:t:1', 'A look 4 5 A:t:1', 'end read 20 21 A:t:1'],
    'another ID, and gone' => ['stale 1', 'A add 0 1 A:t:1', 'A regenerate 2 3', 'end read 20 21'],
    'another ID, perhaps' => ['', 'A add 0 1 A:t:1', 'A regenerate? 2 3', 'A look 4 5', 'end read 20 21'],
    'destroyed in the end, perhaps' => ['', 'A add 0 1 A:t:1', 'B destroy? 2 3', 'B destroy 4 5', 'end read 20 21'],
];

function made_up(array $lines): array
{
    return array_map(function (string $line): array {
        [$client, $what, $sent, $replied] = $words = explode(' ', $line);
        $seen = [];
        foreach (array_slice($words, 4) as $counter) {
            [$of, $token, $count] = explode(':', $counter);
            $seen[$of] = [$token, (int) $count];
        }
        return ['client' => $client, 'session' => 0, 'what' => rtrim($what, '?'), 'sent' => (int) $sent,
            'replied' => (int) $replied, 'acknowledged' => !str_ends_with($what, '?'), 'seen' => $seen, 'phase' => '',
            'server' => ''];
    }, $lines);
}

function check_self(): string
{
    foreach (MADE_UP as $name => $lines) {
        $expected = array_shift($lines);
        $counts = array_filter(check(made_up($lines), 10), is_int(...));
        $counts = array_filter($counts);
        $found = implode(' ', array_map(fn ($kind, $count) => "$kind $count", array_keys($counts), $counts));
        if ($found !== $expected) {
            return "'$name' has '$expected', found '$found'";
        }
    }
    return count(MADE_UP) . ' right';
}

/** @return array<string, array{int, int}> phase -> failed requests and all, in the order of the phases */
function failures(array $requests): array
{
    $phases = [];
    foreach ($requests as $request) {
        $phase = &$phases[$request['phase']];
        $phase ??= [0, 0];
        $phase[0] += $request['acknowledged'] ? 0 : 1;
        $phase[1]++;
        unset($phase);
    }
    return $phases;
}

if ($argv[1] === 'self') {
    echo 'history_self=', escapeshellarg(check_self()), "\n";
    return;
}
$requests = [];
foreach (array_slice($argv, 2) as $file) {
    foreach (file($file) as $line) {
        $requests[] = json_decode($line, true, 512, JSON_THROW_ON_ERROR);
    }
}
usort($requests, fn ($a, $b) => $a['sent'] <=> $b['sent']);
$result = check($requests, (int) ($argv[1] * 1e9));
$failed = array_filter($requests, fn ($request) => !$request['acknowledged']);
// Where a web server is killed, what it was just serving fails, and who asks that server and no other.
$unexpected = array_values(array_filter($failed, fn ($request) => preg_match('/^kill (server|worker)/', $request['phase']) === 0));
$of_kind = fn (string $what): int =>
    count(array_filter($requests, fn ($request) => $request['what'] === $what && $request['acknowledged']));
$result += ['requests' => count($requests), 'added' => $of_kind('add'), 'destroyed' => $of_kind('destroy'),
    'regenerated' => $of_kind('regenerate'),
    'failed' => count($failed), 'failed_unexpectedly' => count($unexpected),
    'failed_end' => count(array_filter($failed, fn ($request) => $request['client'] === 'end')),
    'two_failing' => count(array_filter($requests, fn ($request) => substr_count($request['nodes'], '-') > 1)),
    'first_failure' => $unexpected ? "{$unexpected[0]['phase']}: {$unexpected[0]['url']} {$unexpected[0]['error']}" : ''];
$result['phases'] = '';
foreach (failures($requests) as $phase => [$failures, $all]) {
    $result['phases'] .= "$phase: $failures of $all failed|";
}
foreach ($result as $name => $value) {
    echo "history_$name=", escapeshellarg(preg_replace('/[^\x20-\x7e]/', '?', (string) $value)), "\n";
}
