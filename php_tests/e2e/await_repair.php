<?php
// Waits, while requests go on, until every web server uses every node and the loss of any node would lose nothing: of
// each session two nodes have the same record, and the others nothing that is not part of it. Of one that was destroyed
// no node has a record. Prints what is missing if that takes too long.
//   php await_repair.php <seconds> <sessions> <status URL>... <port of a node>...
declare(strict_types=1);

require __DIR__ . '/../node_items.inc';

/** @return array<string, mixed> of format 2, see docs/protocol.md */
function header_of(string $record): array
{
    $header = unpack('a4/Cformat/Cflags/vsize', $record);
    if (($header['flags'] & 1) !== 0) {
        $counts = unpack('Cended', $record, 24);
        return ['tombstone' => true, 'lives' => [], 'ended' => names($record, 28, $counts['ended']), 'intervals' => []];
    }
    $header = unpack('Vactor/Pnumber/Clives/Cended/Cintervals', $record, 48);
    $ended_at = 64 + 4 * $header['lives'];
    $intervals_at = $ended_at + 4 * $header['ended'];
    $intervals = [];
    for ($i = 0; $i < $header['intervals']; ++$i) {
        $parts = unpack('Vactor/Vfrom/vfrom_high/Vto/vto_high', $record, $intervals_at + 16 * $i);
        $intervals[] = [$parts['actor'], $parts['from'] + ($parts['from_high'] << 32), $parts['to'] + ($parts['to_high'] << 32)];
    }
    return ['tombstone' => false, 'actor' => $header['actor'], 'number' => $header['number'],
        'lives' => names($record, 64, $header['lives']), 'ended' => names($record, $ended_at, $header['ended']),
        'intervals' => $intervals];
}

/** @return array<int> names of lives */
function names(string $record, int $at, int $count): array
{
    return $count === 0 ? [] : array_values(unpack("V$count", $record, $at));
}

// Whether nothing is lost with $old as long as $new is there.
function covers(array $new, array $old): bool
{
    if ($old['tombstone']) {
        return array_diff($old['ended'], $new['ended']) === [];
    }
    if (array_intersect($old['lives'], $new['ended']) !== []) {
        return true;
    }
    foreach ($new['intervals'] as [$actor, $from, $to]) {
        if ($actor === $old['actor'] && $from <= $old['number'] && $old['number'] <= $to) {
            return true;
        }
    }
    return false;
}

/** @param array<int, string> $records of one session, by node */
function is_safe(array $records): bool
{
    $headers = array_map('header_of', $records);
    if (array_filter($headers, fn ($header) => !$header['tombstone']) === []) {
        return true;
    }
    foreach (array_count_values($records) as $record => $copies) {
        $best = header_of((string) $record);
        $behind = array_filter($records, fn ($other) => $other !== (string) $record);
        $others = array_intersect_key($headers, $behind);
        if ($copies >= 2 && !$best['tombstone'] && array_filter($others, fn ($other) => !covers($best, $other)) === []) {
            return true;
        }
    }
    return false;
}

// A node that a server does not use, or ''.
function node_not_used(array $urls): string
{
    foreach ($urls as $url) {
        $status = json_decode((string) @file_get_contents($url), true);
        foreach ($status['nodes'] ?? [] as $name => $node) {
            if ($node['state'] !== 'up') {
                return "$url has $name $node[state]";
            }
        }
        if (!isset($status['nodes'])) {
            return "$url does not answer";
        }
    }
    return '';
}

[, $seconds, $sessions] = $argv;
$urls = array_values(preg_grep('/^http/', array_slice($argv, 3)));
$nodes = array_map(fn ($port) => new NodeItems((int) $port), preg_grep('/^\d+$/D', array_slice($argv, 3)));
$end = hrtime(true) + (int) $seconds * 1_000_000_000;
do {
    usleep(20_000);
    $missing = node_not_used($urls);
} while ($missing !== '' && hrtime(true) < $end);

// A record may change while the nodes are asked for it one by one; once it was seen safe it stays so while all is well.
$safe = [];
$unsafe = [];
while ($missing !== '' || $unsafe !== [] || count($safe) < (int) $sessions) {
    if (hrtime(true) >= $end) {
        $text = count($safe) . " sessions are safe, of at least $sessions" . ($unsafe === [] ? '' : ': ' . $first);
        exit($missing !== '' ? "$missing\n" : "$text\n");
    }
    $first = '';
    $keys = array_unique(array_merge(...array_map(fn ($node) => $node->keys(), $nodes)));
    $unsafe = array_diff($keys, array_keys($safe));
    foreach ($unsafe as $key) {
        $records = array_filter(array_map(fn ($node) => $node->item($key), $nodes), is_string(...));
        if (is_safe($records)) {
            $safe[$key] = true;
            continue;
        }
        $first = $first ?: "$key is not: " . json_encode(array_map('header_of', $records));
    }
}
