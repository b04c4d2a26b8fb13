<?php
// A web server is killed: how long until its visitor has a good answer from the other one, through the balancer, with
// a round trip of 0.5 ms to the nodes; and what the session's part of it is.
declare(strict_types=1);

function section_takeover(bool $quick): array
{
    $stores = Stores::get();
    $relay = new Relay($stores->nodes);
    $round_trip = $relay->calibrate(500);
    $server = fn(string $id) => new Fpm("takeover_$id", new Peer($id, '', [$GLOBALS['extension']], [
        'session.save_handler' => 'clustered', 'clustered_session.server_id' => $id,
        'session.save_path' => "m1=127.0.0.1:{$relay->ports[0]},m2=127.0.0.1:{$relay->ports[1]}"]), 2);
    $rounds = $quick ? 4 : 20;
    $figures = [];
    $servers = ['a' => $server('a'), 'b' => $server('b')];
    // An upstream of its own each time: what nginx has learnt of a server's death is not used again.
    $places = [];
    for ($round = 0; $round < $rounds; ++$round) {
        $places["site$round"] = [$servers['a']->socket, $servers['b']->socket];
    }
    $nginx = new Nginx('takeover', $places + ['b' => [$servers['b']->socket]]);
    // Both workers of it have their connections to the nodes open.
    $url = $nginx->url('b', 'page') . '?new=4000&sleep=30000';
    for ($i = 0; $i < 3; ++$i) {
        ask_at_once([[$url, []], [$url, []]]);
    }
    for ($round = 0; $round < $rounds; ++$round) {
        progress('takeover: round ' . $round + 1 . " of $rounds");
        $url = $nginx->url("site$round", 'start');
        [$cookies] = new_sessions($nginx->url("site$round", 'page'), 1, 4000);
        $healthy = ask($url, $cookies);
        $waits = node_waits($nginx);
        posix_kill(-$servers['a']->process->pid, SIGKILL);
        $killed = hrtime(true);
        $failed = 0;
        while (($answer = ask($url, $cookies))['status'] !== 200) {
            ++$failed;
            if ($failed > 1000) {
                throw new RuntimeException('no answer after a takeover');
            }
        }
        $figures['first_good_answer_ms'][] = (hrtime(true) - $killed) / 1e6;
        $figures['healthy_ms'][] = $healthy['seconds'] * 1000;
        $figures['failed'][] = $failed;
        $figures['retries'][] = count(explode(', ', $answer['servers'])) - 1;
        $session = json_decode($answer['body'], true);
        $figures['session_start_round_trips'][] = $session['start_us'] / $round_trip;
        $figures['session_all_round_trips'][] = $session['all_us'] / $round_trip;
        $figures['waits'][] = node_waits($nginx) - $waits;
        $servers['a']->process->kill();
        $servers['a'] = $server('a');
    }
    $nginx->stop();
    array_map(fn(Fpm $fpm) => $fpm->process->stop(), $servers);
    $relay->stop();
    target('takeover: the balancer\'s retries', summary([max($figures['retries'])]), 1);
    target('takeover: failed requests', summary([array_sum($figures['failed'])]), 0);
    target('takeover: round trips until session_start() is back', summary($figures['session_start_round_trips']), 2);
    target('takeover: network waits with the write that makes it last', summary($figures['waits']), 2);
    return array_map('summary', $figures) + ['round_trip_us' => $round_trip];
}

// Of the server that takes over, so far; asked apart, since that takes milliseconds.
function node_waits(Nginx $nginx): int
{
    return json_decode(ask($nginx->url('b', 'status'))['body'], true)['counters']['node_waits'];
}
