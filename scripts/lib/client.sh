# A visitor's browser for shell scripts. Sourced after processes.sh.

client_folder=$(cd "${BASH_SOURCE[0]%/*}" && pwd)

# visit <url> [field=value]...: one request with the cookies of $jar; sets reply_http, reply_error, reply_user,
# reply_cart, reply_server, reply_pid, reply_session, reply_node (which the ID names), reply_waits, reply_nodes ("m1=up m2=down"), reply_ms and
# reply_affinity.
visit() {
  local answer
  answer=$(php -n "$client_folder/request.php" "$jar" "$@") || die "the client failed"
  eval "$answer"
  say_verbose "$* -> HTTP $reply_http, session $reply_session, affinity $reply_affinity, $reply_ms ms $reply_error"
}

# visit_with <cookie jar> <url> [field=value]...: the same with a copy of other cookies, which stay as they are.
visit_with() {
  local jar=$run_folder/cookies.copy
  cp "$1" "$jar"
  shift
  visit "$@"
}

# ask_many <url> <times> [cookie=value]...: sets many_servers ("a=3 b=4"), many_failed, many_pids, many_users,
# many_waits (empty where the shop does not count them) and many_error.
ask_many() {
  local answer
  answer=$(php -n "$client_folder/ask_many.php" "$@") || die "the client failed"
  eval "$answer"
  say_verbose "asked $* -> $many_servers, $many_failed failed $many_error"
}

# The value of a cookie in $jar.
cookie() { php -n -r 'echo json_decode(file_get_contents($argv[1]), true)[$argv[2]] ?? "";' "$jar" "$1"; }

# counters_of <server_id> <name>...: of this server's status, a line '<name> <value>' each; also the sessions that no
# node has (unreplicated_now), and the failures of a node (failures_<node>).
counters_of() {
  php -n -r '
    $status = json_decode((string) @file_get_contents($argv[1]), true);
    $counters = $status["counters"] ?? [];
    $counters["unreplicated_now"] = $status["memory"]["unreplicated"] ?? 0;
    foreach ($status["nodes"] ?? [] as $name => $node) $counters["failures_$name"] = $node["failures"];
    foreach (array_slice($argv, 2) as $name) echo $name, " ", $counters[$name] ?? 0, "\n";
  ' "http://127.0.0.1:${direct_port[$1]}/counters.php?status" "${@:2}"
}
counter_of() { counters_of "$@" | cut -d' ' -f2; }
