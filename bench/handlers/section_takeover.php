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
    $rounds = $GLOBALS['smoke'] ? 2 : ($quick ? 6 : 24);
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
        $counts = $round % 2 === 1;  // every other death: what is counted takes time
        $url = $nginx->url("site$round", $counts ? 'count' : 'start');
        [$cookies] = new_sessions($nginx->url("site$round", 'page'), 1, 4000);
        $healthy = ask($url, $cookies);
        posix_kill(-$servers['a']->process->pid, SIGKILL);
        $killed = hrtime(true);
        $failed = 0;
        while (($answer = ask($url, $cookies))['status'] !== 200) {
            ++$failed;
            if ($failed > 1000) {
                throw new RuntimeException('no answer after a takeover');
            }
        }
        $figures['failed'][] = $failed;
        $figures['retries'][] = count(explode(', ', $answer['servers'])) - 1;
        $session = json_decode($answer['body'], true);
        if ($counts) {
            $figures['read_waits'][] = $session['read'];
            $figures['waits'][] = $session['all'];
        } else {
            $figures['first_good_answer_ms'][] = (hrtime(true) - $killed) / 1e6;
            $figures['healthy_ms'][] = $healthy['seconds'] * 1000;
            $figures['session_start_round_trips'][] = $session['start_us'] / $round_trip;
            $figures['session_all_round_trips'][] = $session['all_us'] / $round_trip;
            $figures['session_cpu_round_trips'][] = $session['cpu_us'] / $round_trip;
        }
        $servers['a']->process->kill();
        $servers['a'] = $server('a');
    }
    $nginx->stop();
    array_map(fn(Fpm $fpm) => $fpm->process->stop(), $servers);
    $relay->stop();
    target('takeover/retries', 'takeover: the balancer\'s retries', summary([max($figures['retries'])]), 1);
    target('takeover/failed', 'takeover: failed requests', summary([array_sum($figures['failed'])]), 0);
    target('takeover/read_waits', 'takeover: network waits until session_start() is back',
        summary($figures['read_waits']), 1);
    target('takeover/read', 'takeover: round trips of time until session_start() is back',
        summary($figures['session_start_round_trips']), 2);
    target('takeover/waits', 'takeover: network waits with the write that makes it last',
        summary($figures['waits']), 2);
    no_target('takeover/all', 'takeover: round trips of time with the write that makes it last',
        summary($figures['session_all_round_trips']));
    return array_map('summary', $figures) + ['round_trip_us' => $round_trip];
}
