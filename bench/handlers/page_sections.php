<?php
// What the page of the benchmarks says of each section's figures: a function per section. Used by bench/page.
declare(strict_types=1);

function cycles(array $cycle): void
{
    global $labels;
    say('', '## A session cycle');
    prose('One PHP process: session_start(), session_write_close(); changed: one number in the session changes between',
        'them. "A handler that does nothing" is what PHP itself takes, and so the floor. Each peer\'s connections',
        'are as its settings have them: opened at each session_start() unless persistent (phpredis then without its',
        'check of the connection, a wait). The peers\' best settings give up the lock; `clustered` has it unless it',
        'says lock=none. The balancer is vouched for (`affinity = balancer`), since a process of the command line',
        'has no client with cookies.');
    foreach (['loopback' => 'on loopback', 'slow' => 'with a round trip of 0.5 ms'] as $where => $text) {
        $chart = new Chart("A session cycle of 4 KB, $text", 'microseconds', ['unchanged', 'changed'], log: true);
        $unchanged = $cycle[$where]['unchanged/4096'] ?? [];
        $changed = $cycle[$where]['changed/4096'] ?? [];
        foreach ($unchanged + $changed as $name => $figures) {
            $chart->add($labels[$name], [$unchanged[$name]['us'] ?? null, $changed[$name]['us'] ?? null],
                is_ours($name));
        }
        draw("cycle_$where", $chart, "What a session cycle of 4 KB costs $text");
    }
    prose('The slow link is a relay of our own that passes everything on half a round trip later each way (a new',
        "connection waits for one more) and limits nothing; a round trip through it took $cycle[round_trip_us] us.");
    foreach (['loopback', 'slow'] as $where) {
        foreach (['unchanged', 'changed'] as $mode) {
            cycle_table($cycle[$where], $where, $mode);
        }
    }
    floors($cycle['loopback']);
}

function cycle_table(array $figures, string $where, string $mode): void
{
    global $labels;
    $whats = array_values(array_filter(array_keys($figures), fn($what) => str_starts_with($what, "$mode/")));
    prose(ucfirst($mode) . ', ' . ($where === 'slow' ? 'at 0.5 ms' : 'on loopback')
        . ', microseconds by the clock; with 4 KB also of processor time in PHP:');
    $rows = [];
    foreach (array_keys($figures[$whats[0]] ?? []) as $name) {
        $row = [$labels[$name]];
        foreach ($whats as $what) {
            $row[] = figure($figures[$what][$name]['us'] ?? null);
        }
        $rows[] = [...$row, figure($figures["$mode/4096"][$name]['cpu_us'] ?? null)];
    }
    table(['handler', ...array_map(fn($what) => size((int) explode('/', $what)[1]), $whats), '4 KB, processor'], $rows);
}

// What is left to gain: PHP's own part of an unchanged cycle.
function floors(array $figures): void
{
    prose('Unchanged, in processor time, beside files on /dev/shm. The floor is a handler that does nothing; what is',
        'above it is looking the session up, checking it, copying it once, and the session lock:');
    $rows = [];
    foreach ($figures as $what => $peers) {
        if (str_starts_with($what, 'unchanged/') && isset($peers['files_shm'])) {
            $files = $peers['files_shm']['cpu_us']['median'];
            $rows[] = [size((int) explode('/', $what)[1]), sprintf('%.2f', $peers['bare']['cpu_us']['median'] / $files),
                sprintf('%.2f', $peers['ours_1']['cpu_us']['median'] / $files), '1'];
        }
    }
    table(['payload', 'floor', 'clustered', 'files on /dev/shm'], $rows);
}

function nodes(array $nodes): void
{
    say('', '## One operation on a node');
    prose('The core\'s client (C++) beside bare calls of libmemcached on a connection of the same kind, each in turn,',
        'memcached on another processor; microseconds by the clock. A read also learns the token of the next write.',
        'A write is conditional, shows what the node holds afterwards, and learns its token, in one wait; a bare set',
        'knows none of this.');
    $rows = [];
    foreach ($nodes['operations'] as $where => $figures) {
        [$kind, $bytes] = explode('/', $where);
        $row = [($kind === 'unix' ? 'unix socket, ' : 'loopback, ') . size((int) $bytes)];
        foreach (['get', 'read', 'read/get', 'set', 'cas', 'cas+gets', 'write', 'write/set', 'write/cas'] as $column) {
            $row[] = figure($figures[$column]);
        }
        $rows[] = $row;
    }
    table(['', 'bare get', 'read', 'read / get', 'bare set', 'bare cas', 'bare cas and gets', 'write', 'write / set',
        'write / cas'], $rows);
    prose('Milliseconds by which an operation outlasts its limit (`connect_timeout` 40 ms, `operation_timeout` 60 ms),',
        'or a node that failed is left alone for longer than `retry_interval` (100 ms). With alarms: a signal each',
        'millisecond.');
    $rows = [];
    foreach ($nodes['timeouts'] as $row) {
        $rows[] = [$row['node'], Chart::number($row['least']), Chart::number($row['median']),
            Chart::number($row['most']), $row['of']];
    }
    table(['a node that ...', 'least', 'median', 'most', 'operations'], $rows);
}

function http(array $http): void
{
    global $labels;
    $rate = isset($http['rate']) ? number_format($http['rate']) : null;
    say('', '## Through nginx and php-fpm');
    prose('4 KB sessions, 64 of them in turn, 4 workers of php-fpm, opcache on, cookies as browsers send them.',
        'Processor time and requests per second: 4 connections of wrk, as fast as they can. The programs nginx and',
        'wrk are busy before a cheap handler is. So the processor time of the workers per request tells handlers',
        'apart where requests per second cannot. "No session at all" is the same page with an array in the place of the session,',
        'sent without cookies; "one bare libmemcached set" is a handler that does nothing but that, for a changed',
        'session.');
    if ($rate !== null) {
        prose("Latencies: $rate requests per second for every handler,", round(100 * HTTP_RATE_SHARE) . '% of what the',
            'slowest one can do, from a client that asks at that rate whatever the answers do. While something is',
            'saturated, a p99 would only tell how long its queue is.');
    }
    $chart = new Chart('Processor time of php-fpm per request, 4 KB', 'microseconds', ['unchanged', 'changed']);
    foreach ($http['unchanged'] as $name => $figures) {
        $chart->add($labels[$name], [$figures['cpu_us'], $http['changed'][$name]['cpu_us'] ?? null], is_ours($name));
    }
    draw('http_cpu', $chart, 'Processor time of the workers of php-fpm per request');
    foreach (['unchanged', 'changed'] as $mode) {
        prose(ucfirst($mode) . ':');
        $rows = [];
        foreach ($http[$mode] as $name => $figures) {
            $rows[] = [$labels[$name], figure($figures['cpu_us']), figure($figures['per_second']),
                ...($rate === null ? ['', ''] : [figure($figures['p50_us']), figure($figures['p99_us'])])];
        }
        table(['handler', 'processor, us', 'requests/s', "p50 at $rate/s, us", "p99 at $rate/s, us"], $rows);
    }
}

function waits(array $waits): void
{
    global $labels;
    say('', '## Network waits');
    prose('Counted between PHP and the stores; opening and closing a connection in order are waits, too. What `write =',
        'behind` sends, no request waits for.');
    $rows = [];
    foreach ($waits['unchanged'] as $name => $count) {
        $changed = str_starts_with($name, 'behind') ? 0 : $waits['changed'][$name];
        $rows[] = [$labels[$name], (string) $count, (string) $changed];
    }
    table(['handler', 'unchanged', 'changed'], $rows);
    prose('System calls per cycle, counted by strace:');
    $rows = [];
    foreach ($waits['system_calls']['changed'] as $name => $count) {
        $rows[] = [$labels[$name], (string) ($waits['system_calls']['unchanged'][$name] ?? ''), (string) $count];
    }
    table(['handler', 'unchanged', 'changed'], $rows);
}

function parallel(array $parallel): void
{
    global $labels;
    say('', '## Eight requests of one session at once');
    prose('Each holds the session for 5 ms and sets a key of its own. With a lock they follow each other; without,',
        'what counts is that nothing gets lost. A change is lost if its request was answered well and it is not',
        'there afterwards.');
    $chart = new Chart('Eight requests of one session at once, 5 ms each, until all are answered', 'milliseconds',
        log: true);
    $rows = [];
    foreach ($parallel as $name => $figures) {
        $chart->add($labels[$name], [$figures['ms']], is_ours($name));
        $rows[] = [$labels[$name], figure($figures['ms']), $figures['lost'] . ' of ' . 8 * $figures['rounds'],
            $figures['failed'] . ' of ' . 8 * $figures['rounds']];
    }
    draw('parallel', $chart, 'Time until eight requests of one session are answered');
    table(['handler', 'ms', 'changes lost', 'requests failed'], $rows);
}

function memory(array $memory): void
{
    global $results;
    say('', '## Memory, many sessions, many workers');
    prose('Bytes of `local_memory` per session:');
    $rows = [];
    foreach ($memory['per_session'] as $bytes => $figures) {
        $rows[] = [size($bytes), number_format($figures['payload_bytes']), number_format($figures['entry_bytes'])];
    }
    table(['payload', 'with its header, rounded up', 'and per session that the table has room for'], $rows);
    $chart = new Chart('An unchanged cycle of 200 B, one of so many sessions', 'microseconds of processor time',
        ['clustered', 'files, on /dev/shm']);
    $rows = [];
    foreach ($memory['growth']['ours'] as $count => $summary) {
        $files = $memory['growth']['files_shm'][$count] ?? null;
        $chart->add(number_format($count) . ' sessions', [$summary, $files]);
        $rows[] = [number_format($count), figure($summary), $files === null ? 'not measured' : figure($files)];
    }
    draw('growth', $chart, 'What an unchanged cycle costs among more and more sessions');
    table(['sessions of 200 B', 'clustered, us', 'files, on /dev/shm, us'], $rows);
    workers($memory['workers']);
    prose("There are {$results['machine']['processors']} processors: more workers than that can only show what they",
        'cost. Stores of other handlers take their part of them.');
}

function workers(array $workers): void
{
    global $labels;
    $handlers = ['ours' => 'clustered', 'files_shm' => $labels['files_shm'],
        'memcached_best' => $labels['memcached_best'], 'redis_best' => $labels['redis_best']];
    $chart = new Chart('Unchanged cycles of 4 KB by so many workers together', 'cycles per second', log: true);
    $rows = [];
    foreach ($workers as $number => $figures) {
        $row = [(string) $number];
        foreach ($handlers as $name => $label) {
            $per_second = $figures[$name]['per_second'] ?? null;
            $chart->add("$label, $number", [$per_second], $name === 'ours');
            $row[] = figure($per_second);
        }
        $rows[] = $row;
    }
    draw('workers', $chart, 'How many unchanged cycles all workers do together');
    if (!$chart->isEmpty()) {
        prose('Unchanged cycles of 4 KB per second, of all workers together, among 1,000 sessions:');
    }
    table(['workers', ...array_values($handlers)], $rows);
}

function faults(array $faults): void
{
    say('', '## Nodes that hang and die');
    prose('Three nodes, two copies, 8 workers, 256 sessions of 4 KB; every request changes one. Hung: one node is',
        'stopped (SIGSTOP). A request that finds it hung waits for its timeouts; one worker tries it again per',
        '`retry_interval`, and requests of the same session wait for that one. 500 requests per second come whatever',
        'happens to those before.');
    $rows = [];
    $times = ['healthy' => 'healthy', 'first_interval' => 'hung, first retry interval', 'hung' => 'hung, later'];
    foreach ($times as $key => $when) {
        $figures = $faults['hang'][$key];
        $rows[] = [$when, figure($figures['requests'] ?? null), figure($figures['p50_ms'] ?? null),
            figure($figures['p99_ms']), figure($figures['max_ms']), figure($figures['over_100_ms'])];
    }
    table(['one of three nodes', 'requests', 'p50, ms', 'p99, ms', 'longest, ms', 'requests over 100 ms'], $rows);
    prose('Dead: all nodes are killed. Four connections ask as fast as they can.');
    $rows = [];
    foreach (['healthy', 'outage'] as $when) {
        $figures = $faults['outage'][$when];
        $rows[] = [$when === 'outage' ? 'all dead' : $when, figure($figures['unchanged']), figure($figures['changed'])];
    }
    table(['all nodes', 'requests/s, unchanged', 'requests/s, changed'], $rows);
    ['hang' => $hang, 'outage' => $outage] = $faults;
    prose("Requests failed: $hang[failed] and $outage[failed]. Changes lost, as another server finds them on the nodes",
        "that came back empty: $outage[lost]. All of $outage[unreplicated] sessions were on the nodes again",
        figure($outage['told_after_ms']) . ' ms after those were back, without any request for them.');
    compared($faults['compared'] ?? []);
}

function compared(array $compared): void
{
    global $labels;
    if ($compared === []) {
        return;
    }
    say('', '### Beside the others');
    prose('The same to every handler, once each: three nodes, 500 changes per second while one is stopped, then (with',
        'new sessions) while all are dead. Nobody waits longer than 2 s: such a request has failed, as has one whose',
        'session is not there. A change is lost if its request was answered well and a web server that starts',
        'afterwards does not find it. What the peers\' settings offer is used: without a lock and persistent,',
        'php-memcached has a second copy (`sess_number_of_replicas`), `sess_remove_failed_servers` and a',
        '`sess_connect_timeout` of 100 ms. Without a lock and persistent, phpredis has timeouts of 100 and 250 ms.',
        'By default pecl-memcache keeps two copies. With locks and several hosts, phpredis does not find again the',
        'lock that it took, and so fails requests before anything else does.');
    foreach ($compared as $where => $handlers) {
        $texts = ['hang' => 'One of three nodes hangs', 'outage' => 'All nodes die and come back empty'];
        foreach ($texts as $fault => $text) {
            prose("$text, " . ($where === 'slow' ? 'with a round trip of 0.5 ms' : 'on loopback') . ':');
            $rows = [];
            foreach ($handlers as $name => $faults) {
                $seen = $faults[$fault];
                $rows[] = [$labels[$name], "$seen[healthy_failed] of $seen[healthy_requests]",
                    "$seen[failed] of $seen[requests]", "$seen[lost] of $seen[acknowledged]",
                    Chart::number($seen['max_ms']), Chart::number($seen['p99_ms']),
                    Chart::number($seen['healthy_p99_ms'])];
            }
            table(['handler', 'requests failed before', 'requests failed', 'acknowledged changes lost', 'longest, ms',
                'p99, ms', 'p99 before, ms'], $rows);
        }
    }
}

function takeover(array $takeover): void
{
    say('', '## A web server dies');
    prose('All processes of one php-fpm get SIGKILL. The time runs from then until its visitor has the first good',
        'answer from the other, through nginx, with a round trip of 0.5 ms to the nodes. The read in session_start()',
        'asks all nodes at once: one wait. The write in session_write_close() says that this server has the session',
        'now: the second wait. So the two cannot take less than two round trips. Waits are counted, and exact. Times',
        'are by the clock, in round trips, and contain what PHP, the kernel and the relay take themselves.');
    $rows = [];
    foreach (['first_good_answer_ms' => 'first good answer, ms after the kill', 'healthy_ms' => 'a request before, ms',
        'retries' => 'nginx asked another server', 'failed' => 'failed requests',
        'read_waits' => 'session_start(), the read: network waits',
        'waits' => 'session_start() and session_write_close(), the read and the write: network waits',
        'session_start_round_trips' => 'session_start(): time, in round trips',
        'session_all_round_trips' => 'session_start() and session_write_close(): time, in round trips',
        'session_cpu_round_trips' => 'of that, processor time of PHP, in round trips'] as $key => $what) {
        if (isset($takeover[$key])) {
            $rows[] = [$what, figure($takeover[$key])];
        }
    }
    table(['', ''], $rows);
}

function keys(array $keys): void
{
    say('', '## TLS, encryption and signed IDs');
    prose('Two nodes, in turns with the same without: TLS, [records that are encrypted](security.md#key-file), by the',
        'cipher that this processor is fast with and by XChaCha20, and both TLS and encryption.');
    $rows = [];
    $labels = ['plain' => 'neither', 'tls' => 'TLS', 'encrypted' => 'encrypted', 'xchacha20' => 'encrypted by XChaCha20',
        'both' => 'both'];
    foreach ($labels as $name => $label) {
        $rows[] = [$label, ...array_map(fn(string $what) => figure($keys['cycle'][$what][$name]['us']),
            ['unchanged/4096', 'changed/4096', 'changed/65536']),
            ...array_map(fn(string $mode) => figure($keys['http'][$mode][$name] ?? null), ['unchanged', 'changed'])];
    }
    table(['', 'unchanged cycle, 4 KB, us', 'changed, 4 KB, us', 'changed, 64 KB, us',
        'php-fpm, 4 KB, unchanged: processor, us', 'php-fpm, changed: processor, us'], $rows);
    $handshakes = $keys['handshakes'];
    prose("A node with TLS restarts, and $handshakes[workers] workers are asked at once. Each has a request that changes",
        'a session:');
    $rows = [];
    foreach (['connected' => 'before', 'after_restart' => 'after the restart', 'connected_again' => 'the next ones']
        as $name => $label) {
        $round = $handshakes[$name];
        $rows[] = [$label, (string) $round['connects'], (string) $round['whole'], (string) $round['failed'],
            Chart::number($round['cpu_ms']), Chart::number($round['slowest_ms'])];
    }
    table(['', 'connections that were opened', 'of these, with a whole handshake', 'failed requests',
        'processor time of all workers, ms', 'slowest, ms'], $rows);
    $forged = $keys['forged'];
    prose(number_format($forged['forged']), 'session IDs that no server has signed, with `signed_ids = require`, one after',
        'the other in one process:', Chart::number($forged['cpu_us']), 'us of processor time for each session_start(),',
        number_format($forged['per_second']), "a second, $forged[node_messages] messages to nodes.");
}
