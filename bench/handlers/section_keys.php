<?php
// What TLS and encryption cost: session cycles and FPM's processor time with them beside the same without, in turns; the
// handshakes of 64 workers after a node's restart; and 10,000 session IDs that nobody has signed. Takes openssl.
declare(strict_types=1);

require_once __DIR__ . '/section_cycle.php';

const KEYS_WORKERS = 64;
const KEYS_FORGED = 10000;

function section_keys(bool $quick): array
{
    progress('nodes with TLS');
    $certificate = keys_certificate();
    $tls = ['-Z', '-o', "ssl_chain_cert=$certificate,ssl_key=$certificate"];
    $ports = $nodes = [];
    foreach (['plain_1' => [], 'plain_2' => [], 'tls_1' => $tls, 'tls_2' => $tls] as $name => $arguments) {
        $nodes[$name] = keys_node("keys_$name", $ports[$name] = free_port(), $arguments);
    }
    $peers = keys_peers($ports, $certificate);
    $result = ['cycle' => keys_cycle($peers, $quick), 'http' => $GLOBALS['smoke'] ? [] : keys_http($peers, $quick)];
    $result['handshakes'] = keys_handshakes($peers['tls'], $nodes, $ports, $tls);
    $result['forged'] = keys_forged($peers['encrypted'], $ports);
    array_map(fn(Process $node) => $node->stop(), $nodes);
    return $result;
}

function keys_certificate(): string
{
    $file = "$GLOBALS[folder]/keys_node";
    exec('openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=node '
        . "-addext subjectAltName=IP:127.0.0.1 -keyout $file.key -out $file.pem 2>&1", $lines, $code);
    if ($code !== 0) {
        throw new RuntimeException('openssl makes no certificate: ' . implode(' ', $lines));
    }
    file_put_contents("$file.pem", file_get_contents("$file.key"), FILE_APPEND);
    chmod("$file.pem", 0644);
    return "$file.pem";
}

function keys_node(string $name, int $port, array $arguments): Process
{
    $process = new Process($name, ['memcached', '-u', 'root', '-U', '0', '-l', '127.0.0.1', '-p', (string) $port,
        '-m', '512', '-t', '1', '-c', '2048', ...$arguments], other_cpu());
    await_port($process, $port);
    return $process;
}

/** @return array<string, Peer> */
function keys_peers(array $ports, string $certificate): array
{
    $file = "$GLOBALS[folder]/keys";
    file_put_contents($file, 'bench ' . base64_encode(random_bytes(32)) . "\n");
    chmod($file, 0600);
    $encryption = ['clustered_session.key_file' => $file];
    $peers = [];
    foreach (['plain' => [false, []], 'tls' => [true, []], 'encrypted' => [false, $encryption],
        'xchacha20' => [false, $encryption + ['clustered_session.cipher' => 'xchacha20']],
        'both' => [true, $encryption]] as $name => [$tls, $settings]) {
        $node = fn(int $number) => $tls ? "tls://127.0.0.1:{$ports["tls_$number"]}" : "127.0.0.1:{$ports["plain_$number"]}";
        // A handshake on a busy machine is no failure.
        $peers[$name] = new Peer($name, $name, [$GLOBALS['extension']], $settings + [
            'session.save_handler' => 'clustered', 'clustered_session.server_id' => 'bench',
            'session.save_path' => "m1={$node(1)},m2={$node(2)}", 'clustered_session.prefix' => "$name:",
            'clustered_session.connect_timeout' => '5s', 'clustered_session.operation_timeout' => '5s',
            'clustered_session.tls_ca_file' => $certificate], ours: true);
    }
    return $peers;
}

function keys_cycle(array $peers, bool $quick): array
{
    $bench = new CycleBench(array_map(peer_with_balancer_affinity(...), $peers), 'keys', $quick ? 4 : 10);
    $bench->run([4096, 65536], $GLOBALS['smoke'] ? 2 : ($quick ? 7 : 25));
    foreach ([4096 => 1.1, 65536 => 1.15] as $bytes => $limit) {
        target("keys/encrypted/$bytes", "changed cycle, $bytes bytes, 2 nodes: encrypted / plain",
            $bench->ratio("changed/$bytes", 'encrypted', 'plain'), $limit);
        no_target("keys/xchacha20/$bytes", "changed cycle, $bytes bytes, 2 nodes: encrypted by XChaCha20 / plain",
            $bench->ratio("changed/$bytes", 'xchacha20', 'plain'));
        target("keys/tls/$bytes", "changed cycle, $bytes bytes, 2 nodes: TLS / plain",
            $bench->ratio("changed/$bytes", 'tls', 'plain'), 1.15);
    }
    return $bench->summary();
}

function keys_http(array $peers, bool $quick): array
{
    $fpms = $urls = $sessions = $figures = [];
    foreach ($peers as $name => $peer) {
        $fpms[$name] = new Fpm("keys_$name", $peer, 4);
    }
    $nginx = new Nginx('keys', array_map(fn(Fpm $fpm) => [$fpm->socket], $fpms));
    foreach ($peers as $name => $peer) {
        $urls[$name] = $nginx->url($name, 'page');
        $sessions[$name] = new_sessions($urls[$name], 64, 4000);
        load($urls[$name], $sessions[$name], 0.3);
    }
    $rounds = $quick ? 2 : 5;
    for ($round = 0; $round < $rounds; ++$round) {
        progress('TLS and encryption through php-fpm: round ' . $round + 1 . " of $rounds");
        foreach (['unchanged', 'changed'] as $mode) {
            foreach ($fpms as $name => $fpm) {
                $cpu = $fpm->process->cpuTime(children: true);
                $load = (new Wrk($urls[$name] . ($mode === 'changed' ? '?change' : ''), $sessions[$name], 1))->wait();
                $cpu = $fpm->process->cpuTime(children: true) - $cpu;
                $figures[$mode][$name][] = $cpu / 1000 / $load['requests'];
            }
        }
    }
    $nginx->stop();
    array_map(fn(Fpm $fpm) => $fpm->process->stop(), $fpms);
    return array_map(fn($mode) => array_map('summary', $mode), $figures);
}

// A node restarts while 64 workers are connected to it: what they pay to connect anew, and how many handshakes are whole.
// It gives no session tickets of before, as its key for them is new; once it runs, a worker that connects again resumes.
function keys_handshakes(Peer $peer, array &$nodes, array $ports, array $tls): array
{
    $workers = $GLOBALS['smoke'] ? 4 : KEYS_WORKERS;
    $fpm = new Fpm('keys_handshakes', new Peer('handshakes', '', $peer->extensions,
        ['clustered_session.retry_interval' => '100ms', 'clustered_session.local_trust' => '0'] + $peer->settings), $workers);
    $nginx = new Nginx('keys_handshakes', ['handshakes' => [$fpm->socket]]);
    $url = $nginx->url('handshakes', 'page');
    $sessions = new_sessions($url, $workers, 1000);
    // Each worker has a request of its own: they all take longer than it takes to ask all.
    $all = function () use ($url, $sessions, $fpm): array {
        $before = keys_counters($url);
        $cpu = $fpm->process->cpuTime(children: true);
        $start = hrtime(true);
        $answers = ask_at_once(array_map(fn($session) => ["$url?change&sleep=300000", $session], $sessions));
        return ['cpu_ms' => ($fpm->process->cpuTime(children: true) - $cpu) / 1e6,
            'failed' => count(array_filter($answers, fn($answer) => $answer['status'] !== 200)),
            'slowest_ms' => max(array_column($answers, 'seconds')) * 1000 - 300,
            'connects' => keys_counters($url)['node_connects'] - $before['node_connects'],
            'whole' => keys_counters($url)['tls_handshakes'] - $before['tls_handshakes']];
    };
    progress("$workers workers and nodes with TLS");
    $all();
    $all();
    $result = ['workers' => $workers, 'connected' => $all()];
    $nodes['tls_1']->kill();
    $nodes['tls_1'] = keys_node('keys_tls_1_again', $ports['tls_1'], $tls);
    $result['after_restart'] = $all();
    $result['connected_again'] = $all();
    $nginx->stop();
    $fpm->process->stop();
    return $result;
}

/** @return array<string, int> */
function keys_counters(string $url): array
{
    $status = json_decode(ask(preg_replace('~/page$~', '/status', $url))['body'], true, 512, JSON_THROW_ON_ERROR);
    return $status['counters'];
}

// IDs that no server has made, by one process: what a node hears of them, and what one takes.
function keys_forged(Peer $peer, array $ports): array
{
    progress('IDs that nobody has signed');
    $settings = ['clustered_session.signed_ids' => 'require', 'clustered_session.repair_rate' => '0',
        'clustered_session.news_interval' => '0', 'session.use_cookies' => '0', 'session.cache_limiter' => ''];
    $asked = function () use ($ports): int {
        $sum = 0;
        foreach ([$ports['plain_1'], $ports['plain_2']] as $port) {
            $socket = stream_socket_client("tcp://127.0.0.1:$port");
            fwrite($socket, "stats\r\n");
            for ($text = ''; !str_ends_with($text, "END\r\n");) {
                $text .= fread($socket, 65536);
            }
            preg_match_all('/^STAT (?:cmd_(?:get|set|touch|meta|flush)|total_connections) (\d+)/m', $text, $found);
            $sum += array_sum($found[1]);
        }
        return $sum;
    };
    $asked();
    $before = $asked();
    $forged = new Process('keys_forged', ['php', ...(new Peer('', '', $peer->extensions, $settings + $peer->settings))->phpOptions(),
        '-r', 'ob_start(); $us = fn() => array_sum(array_map(fn($name) => getrusage()["ru_$name.tv_sec"] * 1e6 + getrusage()["ru_$name.tv_usec"], ["utime", "stime"]));
          $ids = array_map(fn() => bin2hex(random_bytes(16)), range(1, ' . KEYS_FORGED . '));
          $start = hrtime(true); $cpu = $us();
          foreach ($ids as $id) { session_id($id); session_start(); session_abort(); }
          $cpu = $us() - $cpu; $time = hrtime(true) - $start;
          ob_end_clean(); echo json_encode(["cpu_us" => $cpu / count($ids), "per_second" => count($ids) * 1e9 / $time,
            "forged" => clustered_session_status()["counters"]["forged_ids"]]), "\n";'], php_cpu());
    $result = $forged->answer();
    $forged->finish();
    // Two connections of our own, as before.
    $result['node_messages'] = $asked() - $before - 2;
    target('keys/forged', KEYS_FORGED . ' forged session IDs: messages to nodes', summary([$result['node_messages']]), 0);
    return $result;
}
