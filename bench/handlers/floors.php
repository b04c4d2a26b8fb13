<?php
// What the least is that a missed target could be on this machine, and of what the rest consists, from figures of the
// same run. Used by bench/page.
declare(strict_types=1);

// Null if nothing is known: else the bound, a sentence that says what it is, and rows for a table.
/** @return ?array{bound: ?float, why: string, parts: array<array{string, string}>} */
function floor_of(string $id): ?array
{
    $names = explode('/', $id);
    return match (true) {
        str_starts_with($id, 'cycle/unchanged/') => floor_unchanged($names[2]),
        $id === 'cycle/changed' => floor_changed(),
        $id === 'cycle/copies' => floor_copies('loopback'),
        $id === 'cycle/slow/copies' => floor_copies('slow'),
        str_starts_with($id, 'cycle/slow/') => floor_slow($names[2], $names[3]),
        $id === 'nodes/read' => floor_operation('read', 'get'),
        $id === 'nodes/write' => floor_operation('write', 'set'),
        $id === 'http/unchanged' => floor_http('unchanged', 'ours_1', 'none'),
        $id === 'http/changed_1' => floor_http('changed', 'ours_1', 'redis_best'),
        $id === 'http/changed_2' => floor_http('changed', 'ours_2', 'redis_best'),
        $id === 'parallel/locked' => floor_parallel(),
        $id === 'takeover/read' => floor_takeover(),
        default => null,
    };
}

function us(string $what, ?float $us): array
{
    return [$what, $us === null ? 'not measured' : Chart::number($us) . ' us'];
}

// Null if a part was not measured.
function sum(?float ...$parts): ?float
{
    return in_array(null, $parts, true) ? null : array_sum($parts);
}

function rest(?float $all, ?float ...$parts): ?float
{
    $sum = sum(...$parts);
    return $all === null || $sum === null ? null : $all - $sum;
}

function share(?float $part, ?float $of): ?float
{
    return $part === null || $of === null ? null : $part / $of;
}

function calls(string $text, string ...$names): array
{
    $counts = array_map(fn(string $name) => at('waits', 'system_calls', 'changed', $name), $names);
    return ["system calls, by strace: $text", implode(' and ', array_map(
        fn(?float $count) => $count === null ? 'not counted' : Chart::number($count), $counts))];
}

function floor_unchanged(string $bytes): array
{
    $cpu = fn(string $name) => at('cycle', 'loopback', "unchanged/$bytes", $name, 'cpu_us');
    return ['bound' => share($cpu('bare'), $cpu('files_shm')),
        'why' => 'The floor is a handler that does nothing: PHP decodes and encodes the payload itself.', 'parts' => [
            us('PHP itself', $cpu('bare')),
            us('clustered: looking it up, checking every byte, copying it once, the session lock',
                rest($cpu('ours_1'), $cpu('bare'))),
            us('all of it', $cpu('ours_1')), us('files on /dev/shm, all of it', $cpu('files_shm'))]];
}

function floor_changed(): array
{
    $wall = fn(string $name) => at('cycle', 'loopback', 'changed/4096', $name, 'us');
    $cpu = fn(string $name) => at('cycle', 'loopback', 'changed/4096', $name, 'cpu_us');
    return ['bound' => 1, 'why' => 'The floor is one set and a cycle of a handler that does nothing.', 'parts' => [
        us('a bare libmemcached set', $wall('bare_set')), us('PHP itself', $wall('bare')),
        us('clustered: the record, the local copy, the lock, and an answer that shows what is stored',
            rest($wall('ours_1'), $wall('bare_set'), $wall('bare'))),
        us('of that, processor time', rest($cpu('ours_1'), $cpu('bare_set'), $cpu('bare'))),
        us('all of it', $wall('ours_1')), calls('a bare set, and a cycle of ours', 'bare_set', 'ours_1')]];
}

function floor_copies(string $where): array
{
    $wall = fn(string $name) => at('cycle', $where, 'changed/4096', $name, 'us');
    $set = at('cycle', 'loopback', 'changed/4096', 'bare_set', 'cpu_us');
    return ['bound' => share(sum($wall('ours_1'), $set), $wall('ours_1')),
        'why' => 'Both nodes are waited for at once, but one process sends to both and reads both answers: it cannot '
            . 'do without a cycle with one node and the processor time of a bare set, part of which is spent while it '
            . 'waits for the other.', 'parts' => [
            us('with one node', $wall('ours_1')), us('a bare set, processor time', $set),
            us('the rest: the second node\'s record and health, and waiting for the later answer',
                rest($wall('ours_2'), $wall('ours_1'), $set)),
            us('with two nodes', $wall('ours_2')), calls('with one node, and with two', 'ours_1', 'ours_2')]];
}

function floor_slow(string $mode, string $peer): array
{
    $wall = fn(string $name) => at('cycle', 'slow', "$mode/4096", $name, 'us');
    $least = $mode === 'changed' ? at('cycle', 'round_trip_us')
        : at('cycle', 'loopback', 'unchanged/4096', 'bare', 'us');
    return ['bound' => share($wall($peer), $least), 'why' => $mode === 'changed'
        ? 'What makes a change durable takes one round trip.'
        : 'No handler is faster than one that does nothing.', 'parts' => [
            us("$peer, " . Chart::number(at('waits', $mode, $peer) ?? 0) . ' waits', $wall($peer)),
            us($mode === 'changed' ? 'one round trip' : 'a handler that does nothing', $least),
            us('the rest of a cycle of ours', rest($wall('ours_1'), $least)), us('a cycle of ours', $wall('ours_1'))]];
}

function floor_operation(string $ours, string $bare): array
{
    $us = fn(string $what) => at('nodes', 'operations', 'tcp/4096', $what);
    $parts = [us("a bare $bare", $us($bare)), us("the rest of a $ours of ours", rest($us($ours), $us($bare))),
        us("a $ours of ours", $us($ours))];
    if ($ours === 'write') {
        $parts[] = us('the same with bare calls, a cas and a gets, in two waits', $us('cas+gets'));
    }
    return ['bound' => 1, 'why' => $ours === 'write'
        ? 'A write of ours is conditional, shows what the node holds afterwards, and learns the token of the next one.'
        : 'A read of ours also learns the token of the next write.', 'parts' => $parts];
}

// The processor time of a request, all of it measured through nginx and php-fpm.
function floor_http(string $mode, string $name, string $peer): array
{
    $cpu = fn(string $name, string $mode) => at('http', $mode, $name, 'cpu_us');
    $none = $cpu('none', 'unchanged');
    $bare = $cpu('bare', $mode);
    $parts = [us('the same page without a session', $none),
        us('what a handler that does nothing adds, which is PHP\'s own session module', rest($bare, $none))];
    $read = rest($cpu($name, 'unchanged'), $cpu('bare', 'unchanged'));
    $set = rest($cpu('bare_set', 'changed'), $cpu('bare', 'changed'));
    if ($mode === 'changed') {
        $parts[] = us('what one bare libmemcached set adds to that', $set);
    }
    $parts[] = us('clustered, as for an unchanged session: looking it up, checking every byte, copying it, the session '
        . 'lock, the affinity cookie', $read);
    if ($mode === 'changed') {
        $parts[] = us('clustered, beyond the bare set: the record, the local copy, an answer that shows what is stored'
            . ($name === 'ours_2' ? ', the second node' : ''), rest($cpu($name, $mode), $bare, $set, $read));
    }
    $floor = $mode === 'changed' ? sum($bare, $set, $read) : $bare;
    $parts[] = us('all of it', $cpu($name, $mode));
    $of = $peer === 'none' ? $none : $cpu($peer, $mode);
    if ($peer !== 'none') {
        $parts[] = us("$peer, all of it", $of);
    }
    return ['bound' => share($floor, $of), 'why' => $mode === 'changed'
        ? 'The floor is a handler that does nothing but one bare libmemcached set, in the same workers, and what an '
            . 'unchanged session takes.'
        : 'The floor is a handler that does nothing, in the same workers.', 'parts' => $parts];
}

function floor_parallel(): array
{
    $ms = fn(string $name) => at('parallel', $name, 'ms');
    $row = fn(string $what, ?float $ms) => [$what, $ms === null ? 'not measured' : Chart::number($ms) . ' ms'];
    return ['bound' => share(40, $ms('files_shm')),
        'why' => 'One after the other, eight requests of 5 ms take 40 ms.', 'parts' => [
        $row('files on /dev/shm', $ms('files_shm')), $row('clustered', $ms('ours_1')),
        $row('of that, each of the seven handovers and what is around the 5 ms', share(rest($ms('ours_1'), 40), 8))]];
}

function floor_takeover(): array
{
    $trip = at('takeover', 'round_trip_us');
    $trips = fn(string $what) => ($share = at('takeover', $what)) === null || $trip === null ? null : $share * $trip;
    return ['bound' => 1, 'why' => 'All nodes are asked at once: one wait, which is one round trip.', 'parts' => [
        us('one round trip', $trip),
        us('the rest: PHP, the kernel, the relay', rest($trips('session_start_round_trips'), $trip)),
        us('session_start()', $trips('session_start_round_trips')),
        us('processor time of PHP, session_write_close() with it', $trips('session_cpu_round_trips'))]];
}
