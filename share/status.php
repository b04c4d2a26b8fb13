<?php
// A status page for clustered_session, in one file: for people (HTML), for programs (?format=json, ?format=examine) and for
// Prometheus (?format=metrics). It starts no session and shows no session's ID. docs/monitoring.md says how to serve it.
//
// It answers this host only, unless it is told otherwise, by a FastCGI parameter or by a file that includes this one:
//   fastcgi_param CLUSTERED_SESSION_ALLOW "10.0.0.0/24 2001:db8::/32";
//   fastcgi_param CLUSTERED_SESSION_SERVERS "web1=http://10.0.0.11/status.php web2=http://10.0.0.12/status.php";
//   <?php $clustered_session_page = ['allow' => fn () => is_operator(), 'servers' => [...]]; require '.../status.php';
declare(strict_types=1);

namespace ClusteredSession\StatusPage;

const ASK_SECONDS = 2.0;     // for the other servers, all at once
const ANSWER_MAX = 1 << 18;  // bytes, of another server's status

// -- Who may read ------------------------------------------------------------------------------------------------------

function address_matches(string $address, string $range): bool {
  [$network, $bits] = explode('/', $range, 2) + [1 => null];
  $address = @inet_pton($address);
  $network = @inet_pton($network);
  if ($address === false || $network === false || strlen($address) !== strlen($network)) return false;
  if ($bits !== null && !preg_match('/^\d{1,3}$/D', $bits)) return false;
  $bits = min($bits === null ? PHP_INT_MAX : (int) $bits, 8 * strlen($address));
  $bytes = intdiv($bits, 8);
  if (substr($address, 0, $bytes) !== substr($network, 0, $bytes)) return false;
  $mask = 0xff << 8 - $bits % 8 & 0xff;
  return $bits % 8 === 0 || (ord($address[$bytes]) & $mask) === (ord($network[$bytes]) & $mask);
}

// The address of who came through a proxy is the proxy's: then only a callback can tell.
function may_read(string|array|callable|null $allow): bool {
  if (is_callable($allow)) return $allow() === true;
  if (isset($_SERVER['HTTP_X_FORWARDED_FOR']) || isset($_SERVER['HTTP_FORWARDED'])) return false;
  $allow ??= ['127.0.0.0/8', '::1'];
  if (is_string($allow)) $allow = preg_split('/[\s,]+/', $allow, -1, PREG_SPLIT_NO_EMPTY);
  foreach ($allow as $range) {
    if (address_matches($_SERVER['REMOTE_ADDR'] ?? '', $range)) return true;
  }
  return false;
}

// -- What this server knows --------------------------------------------------------------------------------------------

// Settings that have to agree, or that `clustered-session doctor` looks at; nothing that is secret.
function settings(): array {
  $names = ['session.save_handler', 'session.save_path', 'session.name', 'session.gc_maxlifetime', 'session.lazy_write',
    'session.serialize_handler', 'session.use_strict_mode', 'session.sid_length', 'session.sid_bits_per_character',
    'session.cookie_lifetime', 'session.cookie_httponly', 'session.cookie_secure', 'session.cookie_samesite',
    'memory_limit', 'max_execution_time', 'zend.assertions'];
  $settings = [];
  foreach ($names as $name) $settings[$name] = ini_get($name);
  foreach (array_keys(@ini_get_all('clustered_session', false) ?: []) as $name) {
    if (!preg_match('/\.(username|password|.*key.*)$/D', $name)) $settings[$name] = ini_get($name);
  }
  return $settings;
}

function own_report(): array {
  if (!function_exists('clustered_session_status')) return ['error' => 'PHP has not loaded clustered_session: check extension = clustered_session'];
  $status = \clustered_session_status();
  return ['time' => microtime(true), 'php' => PHP_VERSION, 'sapi' => PHP_SAPI, 'status' => $status,
    'settings' => settings(), 'findings' => findings($status)];
}

// A part of what clustered_session_examine() tells, for `clustered-session verify` and `top`.
function examined(array $asked): array {
  if (!function_exists('clustered_session_examine')) return ['error' => 'PHP has not loaded clustered_session, or an older one'];
  $number = fn (string $name, int $default) => is_string($asked[$name] ?? null) && preg_match('/^\d{1,19}$/D', $asked[$name]) ? (int) $asked[$name] : $default;
  try {
    return ['examined' => \clustered_session_examine($number('cursor', 0), max(1, min($number('limit', 1000), 10000)), $number('nodes', 1) !== 0)];
  } catch (\Error $error) {
    return ['error' => $error->getMessage()];
  }
}

// What is bad now: ['critical' or 'warning', what, what to do].
function findings(array $status): array {
  $found = [];
  $say = function (string $how, string $what, string $do) use (&$found) { $found[] = [$how, $what, $do]; };
  if (isset($status['error'])) $say('critical', "No session starts: $status[error]", 'Correct session.save_path, then reload PHP.');
  if (($status['mode'] ?? '') === 'single-server') $say('warning', 'Sessions live on this server only: session.save_path is empty.', 'Name the memcached nodes in session.save_path.');
  if (!empty($status['alone'])) $say('critical', 'No node can be asked for ' . round($status['alone_for_ms'] / 1000) . ' s: changes exist on this server only.', 'Do not restart PHP here. Bring a node back, or the network to the nodes.');
  foreach ($status['nodes'] ?? [] as $name => $node) {
    if ($node['state'] === 'down') $say('warning', "Node $name ($node[address]) does not answer" . (empty($status['alone']) ? '; other nodes stand in.' : '.'), "Check that memcached runs there and that its port is open to this server. PHP's log says why it fails.");
    $lacks = array_sum($status['repair']['missing'][$name] ?? []);
    if ($lacks > 0 && $node['state'] === 'up') $say('warning', "Node $name ($node[address]) lacks $lacks records, which are being brought there.", 'Restart no other node before this is 0. If it stays, see clustered_session.repair_rate and PHP\'s log.');
    if (($node['evicted'] ?? 0) > 0) $say('warning', "Node $name ($node[address]) has thrown away $node[evicted] items for want of memory: users were logged out." . (isset($node['limit_bytes']) ? '' : ' It tells no number: this is what a sample has shown.'), "Give memcached more memory (-m) on all nodes, or shorten session.gc_maxlifetime.");
    if ($node['state'] === 'full') $say('warning', "Node $name ($node[address]) takes no new connections.", "Raise memcached's -c above the number of PHP workers of all web servers.");
  }
  $memory = $status['memory'] ?? [];
  if (($memory['busy_parts'] ?? 0) > 0) $say('critical', "A stopped worker holds $memory[busy_parts] parts of the local memory.", 'Find the PHP process in state T (ps -o pid,stat,cmd) and continue or kill it.');
  if (($memory['unreplicated'] ?? 0) > 0 && empty($status['alone'])) $say('warning', "$memory[unreplicated] sessions are on no node yet.", 'Wait until this is 0 before PHP is stopped. If it stays, PHP\'s log says why.');
  $counters = $status['counters'] ?? [];
  if (($counters['store_full'] ?? 0) > 0) $say('warning', "$counters[store_full] sessions found no room in the local memory since PHP's start.", 'Bring nodes back if they are down; raise clustered_session.local_memory.');
  if (($counters['lost_sessions'] ?? 0) > 0) $say('warning', "Nodes had lost $counters[lost_sessions] sessions that this server still had.", 'If no node was restarted, the nodes are too small: raise memcached\'s -m.');
  if (($counters['corrupt_records'] ?? 0) > 0) $say('warning', "$counters[corrupt_records] items under our keys were no records.", 'Another program or version writes to the nodes: see docs/security.md.');
  if (($counters['lock_timeouts'] ?? 0) > 0) $say('warning', "$counters[lock_timeouts] requests gave up waiting for their session.", 'Find the slow request that holds it, and close the session early there.');
  return $found;
}

// -- The other servers -------------------------------------------------------------------------------------------------

function server_list(string|array|null $servers): array {
  if (is_array($servers)) return $servers;
  $list = [];
  foreach (preg_split('/\s+/', $servers ?? '', -1, PREG_SPLIT_NO_EMPTY) as $each) {
    [$name, $url] = explode('=', $each, 2) + [1 => $each];
    $list[$name] = $url;
  }
  return $list;
}

// All at once, by HTTP/1.0: name => report.
function ask_servers(array $servers): array {
  $reports = $open = $read = [];
  $until = microtime(true) + ASK_SECONDS;
  foreach ($servers as $name => $url) {
    $parts = parse_url($url);
    if (!isset($parts['host']) || !in_array($parts['scheme'] ?? '', ['http', 'https'], true)) {
      $reports[$name] = ['error' => "its address is no http or https URL"];
      continue;
    }
    $tls = $parts['scheme'] === 'https';
    $port = $parts['port'] ?? ($tls ? 443 : 80);
    $socket = @stream_socket_client(($tls ? 'tls' : 'tcp') . "://$parts[host]:$port", $code, $why, max(0.05, $until - microtime(true)),
      $tls ? STREAM_CLIENT_CONNECT : STREAM_CLIENT_CONNECT | STREAM_CLIENT_ASYNC_CONNECT);
    if ($socket === false) {
      $reports[$name] = ['error' => 'cannot connect: ' . ($why ?: 'no TLS')];
      continue;
    }
    stream_set_blocking($socket, false);
    $query = ($parts['path'] ?? '/') . '?' . (isset($parts['query']) ? "$parts[query]&" : '') . 'format=json';
    $open[$name] = $socket;
    $read[$name] = ["GET $query HTTP/1.0\r\nHost: $parts[host]\r\nConnection: close\r\n\r\n", ''];
  }
  while ($open && ($left = $until - microtime(true)) > 0) {
    $readable = array_filter($open, fn ($name) => $read[$name][0] === '', ARRAY_FILTER_USE_KEY);
    $writable = array_diff_key($open, $readable);
    $none = null;
    if (@stream_select($readable, $writable, $none, 0, (int) (1e6 * min($left, 0.9))) === false) break;
    foreach ($writable as $name => $socket) {
      $sent = @fwrite($socket, $read[$name][0]);
      if ($sent === false || stream_socket_get_name($socket, true) === false) {
        $reports[$name] = ['error' => 'cannot connect'];
        unset($open[$name]);
      } else {
        $read[$name][0] = substr($read[$name][0], $sent);
      }
    }
    foreach ($readable as $name => $socket) {
      $read[$name][1] .= (string) @fread($socket, 65536);
      if (!feof($socket) && strlen($read[$name][1]) <= ANSWER_MAX) continue;
      $reports[$name] = report_of($read[$name][1]);
      unset($open[$name]);
    }
  }
  foreach ($open as $name => $_) $reports[$name] = ['error' => 'no answer within ' . ASK_SECONDS . ' s'];
  return array_replace($servers, $reports);
}

function report_of(string $answer): array {
  [$head, $body] = explode("\r\n\r\n", $answer, 2) + [1 => ''];
  if (!preg_match('~^HTTP/1\.[01] (\d{3})~', $head, $found)) return ['error' => 'its answer is no HTTP'];
  if ($found[1] !== '200') return ['error' => "it answers HTTP $found[1]" . ($found[1] === '403' ? ': allow the address of this server there' : '')];
  $report = json_decode($body, true);
  return is_array($report) && is_array($report['status'] ?? null) ? $report : ['error' => 'its answer is not this page\'s JSON'];
}

// -- For people --------------------------------------------------------------------------------------------------------

function e(mixed $text): string {
  return htmlspecialchars(is_scalar($text) ? (string) $text : '?', ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

function size(mixed $bytes): string {
  $bytes = is_numeric($bytes) ? (float) $bytes : 0;
  foreach (['bytes', 'KB', 'MB', 'GB'] as $unit) {
    if ($bytes < 1024 || $unit === 'GB') break;
    $bytes /= 1024;
  }
  return round($bytes, $bytes < 10 && $unit !== 'bytes' ? 1 : 0) . " $unit";
}

// A bar with its parts, as [label, number]; what it shows is in words below it.
function bar(array $parts, float $whole): string {
  $svg = '<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="rest" width="100" height="4"/>';
  $x = 0.0;
  foreach (array_values($parts) as $i => [, $number]) {
    $width = $whole > 0 ? min(100 * $number / $whole, 100 - $x) : 0;
    $svg .= sprintf('<rect class="part%d" x="%.2F" width="%.2F" height="4"/>', $i, $x, $width);
    $x += $width;
  }
  return "$svg</svg>";
}

// A figure, its plot over time where a script draws it, and a sentence that explains it.
function figure(string $label, mixed $value, string $sentence, ?string $key = null, string $kind = 'rate', bool $bad = false): string {
  $plot = $key === null ? '' : sprintf('<svg class="plot" viewBox="0 0 120 24" preserveAspectRatio="none" aria-hidden="true" data-key="%s" data-kind="%s" data-value="%s"></svg>', e($key), $kind, e($value));
  return sprintf('<li%s><b>%s</b> <span class="value">%s</span>%s<small>%s</small></li>', $bad ? ' class="bad"' : '', e($label), e($value), $plot, e($sentence));
}

function nodes_html(array $status): string {
  if (empty($status['nodes'])) return '';
  $html = '<h3>Nodes</h3><div class="wide" tabindex="0" role="region" aria-label="Nodes"><table><tr><th scope="col">Node<th scope="col">State<th scope="col">Operations<th scope="col">Failed<th scope="col">Lacks<th scope="col">Memory<th scope="col">Thrown away</tr>';
  foreach ($status['nodes'] as $name => $node) {
    $missing = $status['repair']['missing'][$name] ?? [];
    $html .= sprintf('<tr><th scope="row">%s <small>%s</small><td class="state %s">%s<td>%s<td>%s<td>%s<td>%s<td>%s</tr>', e($name), e($node['address']),
      e($node['state']), e($node['state']), e($node['operations']), e($node['failures']), e(($missing['copies'] ?? 0) + ($missing['tombstones'] ?? 0)),
      e(isset($node['limit_bytes']) ? size($node['used_bytes'] ?? 0) . ' of ' . size($node['limit_bytes']) : 'not told'), e($node['evicted'] ?? 0));
  }
  return "$html</table></div><p>The memcached servers that keep a copy of each session. A node that is down costs no session while another one has its copies. "
    . '“Lacks” is how many records the background still has to bring there: copies, and notes that a session was logged out. “Thrown away” counts items that gave way to others since this server looked first. '
    . 'It should be 0: who had such a session is logged out.</p>';
}

function numbers_html(string $server, array $status): string {
  $memory = $status['memory'] ?? [];
  $counters = ($status['counters'] ?? []) + array_fill_keys(['local_hits', 'node_reads', 'validations', 'takeovers', 'new_sessions', 'writes', 'conflicts', 'merges', 'merge_collisions', 'lock_waits', 'lock_timeouts', 'evictions'], 0);
  $locks = ($status['locks'] ?? []) + ['held' => 0, 'waiting' => 0, 'longest_wait_ms' => 0];
  $repair = $status['repair'] ?? [];
  $other = max(0, $counters['node_reads'] - $counters['validations'] - $counters['takeovers']);
  $kinds = [['served here', $counters['local_hits']], ['validated', $counters['validations']], ['taken over', $counters['takeovers']], ['else', $other]];
  $html = '<h3>Requests</h3>' . bar($kinds, (float) array_sum(array_column($kinds, 1))) . '<ul class="kinds">';
  $html .= figure('served here', $counters['local_hits'], 'Reads answered from local memory; no node was asked. Should be most of them.', "$server hits");
  $html .= figure('validated', $counters['validations'], 'Reads that asked one node whether the local copy still holds. Many: clustered_session.local_trust is short.', "$server validations");
  $html .= figure('taken over', $counters['takeovers'], 'Sessions fetched from another web server. Many, with no failure: the load balancer is not sticky.', "$server takeovers");
  $html .= figure('other reads', $other, 'Reads that asked nodes for a session that was not here.', "$server other");
  $html .= figure('new', $counters['new_sessions'], 'Session IDs created. As many as requests: bots, or clients without cookies.', "$server new");
  $html .= figure('written', $counters['writes'], 'Changed sessions written to nodes.', "$server writes");
  $html .= '</ul><h3>Local memory</h3>' . bar([['used', $memory['payload_used'] ?? 0]], (float) ($memory['payload_bytes'] ?? 0)) . '<ul>';
  $html .= figure('used', size($memory['payload_used'] ?? 0) . ' of ' . size($memory['payload_bytes'] ?? 0), 'Full is usual: sessions not used for long give way. Raise clustered_session.local_memory if other reads grow with it.');
  $html .= figure('sessions', $memory['entries'] ?? 0, 'Sessions, and ends of sessions, with a copy on this server.', "$server entries", 'level');
  $html .= figure('on no node', $memory['unreplicated'] ?? 0, 'Lost if this server stops now. Should be 0 while nodes answer.', "$server unreplicated", 'level', ($memory['unreplicated'] ?? 0) > 0);
  $html .= '</ul><h3>Locks</h3><ul>';
  $html .= figure('held', $locks['held'], 'Requests that have their session open now.', "$server held", 'level');
  $html .= figure('waiting', $locks['waiting'], 'Requests that wait for another one of the same session. Steadily above 0: a slow request holds it.', "$server waiting", 'level', $locks['waiting'] > 10);
  $html .= figure('longest wait', round($locks['longest_wait_ms']) . ' ms', 'Since PHP\'s start.');
  $html .= '</ul><h3>Repair and merges</h3><ul>';
  $html .= figure('whole', !empty($repair['whole']) ? 'yes' : 'no', 'Yes: every node holds all it should hold of this server, and the next node may be restarted. No while a repair runs, or with repair_rate = 0.');
  $html .= figure('brought back', ($repair['repaired']['copies'] ?? 0) + ($repair['repaired']['tombstones'] ?? 0), 'Copies and ends that the background has brought to nodes.', "$server repaired");
  $html .= figure('merges', $counters['merges'], 'Sessions changed on two servers at once, put together key by key. Some after a failure are usual.', "$server merges");
  $html .= figure('collisions', $counters['merge_collisions'], 'Keys where one of two changes was given up.', "$server collisions", 'rate', $counters['merge_collisions'] > 0);
  return "$html</ul>";
}

function warnings_html(array $warnings): string {
  if ($warnings === []) return '';
  $html = '<h3>Warnings of the last hour</h3><div class="wide" tabindex="0" role="region" aria-label="Warnings"><table><tr><th scope="col">Last<th scope="col">Times<th scope="col">What</tr>';
  foreach (array_filter($warnings, 'is_array') as $warning) {
    $html .= sprintf('<tr><td>%s<td>%s<td>%s</tr>', e(gmdate('H:i:s', (int) ($warning['time'] ?? 0)) . ' UTC'), e($warning['times'] ?? 0), e($warning['text'] ?? ''));
  }
  return "$html</table></div><p>What this server has told PHP's log and scripts. docs/operations.md explains each code in brackets.</p>";
}

function server_html(string $name, array $report): string {
  if (isset($report['error'])) return sprintf('<section class="critical"><h2>%s</h2><p class="finding critical"><b>No status: %s.</b> Look whether PHP runs there.</p></section>', e($name), e($report['error']));
  $status = $report['status'];
  $findings = array_filter(is_array($report['findings'] ?? null) ? $report['findings'] : [], 'is_array');
  $worst = in_array('critical', array_column($findings, 0), true) ? 'critical' : ($findings ? 'warning' : 'ok');
  $html = sprintf('<section class="%s"><h2>%s <small>%s, PHP %s</small></h2>', $worst, e($name), e($status['version'] ?? '?'), e($report['php'] ?? '?'));
  if (!$findings) $html .= '<p class="finding ok"><b>Nothing is wrong.</b></p>';
  foreach ($findings as $finding) {
    $html .= sprintf('<p class="finding %s"><b>%s</b> %s</p>', $finding[0] === 'critical' ? 'critical' : 'warning', e($finding[1] ?? ''), e($finding[2] ?? ''));
  }
  return $html . nodes_html($status) . warnings_html(is_array($status['warnings'] ?? null) ? $status['warnings'] : []) . numbers_html($name, $status) . '</section>';
}

function servers_html(array $reports): string {
  $html = '';
  foreach ($reports as $name => $report) {
    // What another server says is input.
    try {
      $html .= server_html((string) $name, is_array($report) ? $report : ['error' => 'no answer']);
    } catch (\TypeError | \ValueError) {
      $html .= server_html((string) $name, ['error' => 'it has another version of this page']);
    }
  }
  return $html;
}

function page_html(array $reports, string $nonce): string {
  return <<<HTML
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>clustered_session</title>
<noscript><meta http-equiv="refresh" content="5"></noscript>
<style>
:root { --text: #1b1f24; --page: #f6f7f9; --box: #fff; --line: #d0d5dc; --soft: #565f6b; --ok: #17652f; --warning: #8a4b00; --critical: #b3161d; --a: #2463a8; --b: #2f8f5b; --c: #b86e14; --d: #8a94a3 }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ed; --page: #14171b; --box: #1d2127; --line: #3a414b; --soft: #a7b0bc; --ok: #69d08b; --warning: #f2b15c; --critical: #ff8a8a; --a: #6cabef; --b: #62c78f; --c: #e3a35a; --d: #75808f } }
* { box-sizing: border-box }
body { margin: 0; padding: 1rem; font: 16px/1.45 system-ui, sans-serif; color: var(--text); background: var(--page) }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)) }
section { padding: .25rem 1rem 1rem; background: var(--box); border: 1px solid var(--line); border-top: 4px solid var(--ok); border-radius: 6px; min-width: 0 }
section.warning { border-top-color: var(--warning) } section.critical { border-top-color: var(--critical) }
h1 { font-size: 1.3rem; margin: 0 0 1rem } h2 { font-size: 1.15rem; margin: .5rem 0 } h3 { font-size: 1rem; margin: 1.2rem 0 .4rem }
small, p { color: var(--soft) } small { font-weight: normal }
.finding { margin: .3rem 0 } .finding b { color: var(--ok) } .finding.warning b { color: var(--warning) } .finding.critical b { color: var(--critical) }
.wide { overflow-x: auto } .wide:focus-visible { outline: 2px solid var(--a) } table { border-collapse: collapse; width: 100% } th, td { padding: .25rem .5rem .25rem 0; text-align: left; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums } th small { display: block }
.state { color: var(--ok); font-weight: bold } .state.down { color: var(--critical) } .state.full { color: var(--warning) } .state.untried { color: var(--soft) }
ul { list-style: none; margin: .5rem 0 0; padding: 0; display: grid; gap: .6rem 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)) }
li small { display: block; line-height: 1.3 } .value { font-variant-numeric: tabular-nums } li.bad .value { color: var(--warning); font-weight: bold }
.bar { display: block; width: 100%; height: 10px } .rest { fill: var(--line) } .part0 { fill: var(--a) } .part1 { fill: var(--b) } .part2 { fill: var(--c) } .part3 { fill: var(--d) }
.kinds li:nth-child(-n+4) b { padding-left: .4rem; border-left: .6rem solid var(--a) } .kinds li:nth-child(2) b { border-color: var(--b) } .kinds li:nth-child(3) b { border-color: var(--c) } .kinds li:nth-child(4) b { border-color: var(--d) }
.plot { display: block; width: 100%; height: 24px } .plot path { fill: none; stroke: var(--a); stroke-width: 1.5; vector-effect: non-scaling-stroke }
</style>
</head>
<body>
<h1>Sessions <small id="age" role="status"></small></h1>
<main id="servers">{$reports['html']}</main>
<script nonce="$nonce">
// Draws two minutes of each figure, and asks for new ones each second.
const seen = new Map();
let answered = Date.now();
function draw() {
  for (const plot of document.querySelectorAll('.plot')) {
    const past = seen.get(plot.dataset.key) ?? [];
    past.push(Number(plot.dataset.value));
    if (past.length > 121) past.shift();
    seen.set(plot.dataset.key, past);
    const rate = plot.dataset.kind === 'rate';
    const values = rate ? past.slice(1).map((value, i) => Math.max(0, value - past[i])) : past;
    const most = Math.max(1, ...values);
    const line = values.map((value, i) => (i ? 'L' : 'M') + (120 - values.length + i + 1) + ' ' + (23 - 22 * value / most).toFixed(1)).join('');
    plot.innerHTML = '<path d="' + line + '"/>';
  }
}
async function refresh() {
  const age = document.getElementById('age');
  try {
    const url = new URL(location.href);
    url.searchParams.set('format', 'part');
    const answer = await fetch(url, {cache: 'no-store'});
    if (!answer.ok) throw new Error('HTTP ' + answer.status);
    document.getElementById('servers').innerHTML = await answer.text();
    answered = Date.now();
    age.textContent = '';
    draw();
  } catch (error) {
    age.textContent = 'This web server has not answered for ' + Math.round((Date.now() - answered) / 1000) + ' s: ' + error.message;
  }
  setTimeout(refresh, 1000);
}
draw();
setTimeout(refresh, 1000);
</script>
</body>
</html>

HTML;
}

function answer(array $options): void {
  $allow = $options['allow'] ?? $_SERVER['CLUSTERED_SESSION_ALLOW'] ?? null;
  header('Cache-Control: no-store');
  header('X-Content-Type-Options: nosniff');
  if (!may_read($allow)) {
    http_response_code(403);
    header('Content-Type: text/plain');
    echo "403: this address may not read the status. See docs/monitoring.md of clustered_session.\n";
    return;
  }
  $format = $_GET['format'] ?? 'html';
  if ($format === 'json') {
    header('Content-Type: application/json');
    echo json_encode(own_report(), JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE), "\n";
    return;
  }
  if ($format === 'examine') {
    header('Content-Type: application/json');
    echo json_encode(examined($_GET), JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE), "\n";
    return;
  }
  if ($format === 'metrics') {
    header('Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8');
    echo \clustered_session_metrics();
    return;
  }
  $servers = server_list($options['servers'] ?? $_SERVER['CLUSTERED_SESSION_SERVERS'] ?? null);
  $report = own_report();
  $name = ($report['status']['server_id'] ?? '') ?: 'this server';
  // The server that answers asks itself no question: all its workers may be busy with this page.
  $reports = $servers ? ask_servers(array_diff_key($servers, [$name => true])) : [];
  if (!$servers || isset($servers[$name])) $reports = array_replace($servers, $reports, [$name => $report]);
  $html = servers_html($reports);
  header('Content-Type: text/html; charset=utf-8');
  if ($format === 'part') {
    echo $html;
    return;
  }
  $nonce = base64_encode(random_bytes(12));
  header("Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-$nonce'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  echo page_html(['html' => $html], $nonce);
}

answer(is_array($clustered_session_page ?? null) ? $clustered_session_page : []);
