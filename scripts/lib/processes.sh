# Starts, watches and ends the processes of one run, each in a process group of its own, all in one temporary folder.
# Sourced by scripts/demo and by the end-to-end tests; needs output.sh. Only processes started here are ever ended, by
# the id they were started under.

declare -A process_pid=()  # name -> process id, which is its process group's too
process_names=()           # in order of their first start
run_folder=''
keep_running=''            # set: leave everything as it is on exit

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

make_run_folder() {
  run_folder=$(mktemp -d "${TMPDIR:-/tmp}/clustered_session.XXXXXX") || die "cannot make a temporary folder"
  chmod 755 "$run_folder"  # workers run as another user
  trap end_run EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

end_run() {
  local exit_code=$?
  trap '' HUP INT TERM
  if [[ -z $keep_running ]]; then
    end_all_processes
    [[ $exit_code -eq 0 || -z ${show_logs_on_failure:-} ]] || show_logs
    [[ -z $run_folder ]] || rm -rf -- "$run_folder"
  fi
  trap - EXIT
  [[ -z ${at_exit:-} ]] || "$at_exit"
  exit "$exit_code"
}

# free_ports <count>: ports that nothing listens on, below those the kernel hands out for outgoing connections, so that
# nobody gets the port of a server while it is down.
free_ports() {
  php -n -r '
    $range = preg_split("/\s+/", trim((string) @file_get_contents("/proc/sys/net/ipv4/ip_local_port_range")));
    $low = (int) ($range[0] ?? 32768);
    [$from, $to] = $low > 12000 ? [10000, $low - 1] : [(int) ($range[1] ?? 60999) + 1, 65535];
    if ($to - $from < 100) { [$from, $to] = [10000, 32767]; }
    $held = [];
    for ($try = 0; count($held) < (int) $argv[1] && $try < 10000; $try++) {
      $port = random_int($from, $to);
      $socket = isset($held[$port]) ? false : @stream_socket_server("tcp://127.0.0.1:$port");
      if ($socket) { $held[$port] = $socket; }
    }
    echo implode(" ", array_keys($held)), "\n";' "$1"
}

# The group exists (or the process has already ended), so that it can be signalled.
has_own_group() { kill -0 -- "-$1" 2>/dev/null || ! kill -0 "$1" 2>/dev/null; }

# start_process <name> <command>...: output goes to <name>.log. The caller awaits what shows that it is ready.
start_process() {
  local name=$1
  shift
  [[ -v process_pid[$name] ]] || process_names+=("$name")
  setsid "$@" </dev/null >>"$run_folder/$name.log" 2>&1 &
  process_pid[$name]=$!
  disown
  await 5 has_own_group "${process_pid[$name]}" || die "cannot start $name"
  say_verbose "started $name, process ${process_pid[$name]}: $*"
}

# Succeeds while a process of the group lives; one that has died and is not yet reaped does not count.
group_lives() {
  local group=$1 stat fields
  kill -0 -- "-$group" 2>/dev/null || return 1
  for stat in /proc/[0-9]*/stat; do
    { read -r fields <"$stat"; } 2>/dev/null || continue
    read -r -a fields <<<"${fields##*) }"
    [[ ${fields[2]} != "$group" || ${fields[0]} == [ZX] ]] || return 0
  done
  return 1
}

process_lives() { [[ -v process_pid[$1] ]] && group_lives "${process_pid[$1]}"; }

# await <seconds> <command>...: succeeds as soon as the command does.
await() {
  local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
  shift
  until "$@"; do
    ((${EPOCHREALTIME/[.,]/} < deadline)) || return 1
    sleep 0.02
  done
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

port_answers_or_dead() { port_answers "$2" || ! group_lives "${process_pid[$1]}"; }

# await_port <name> <port>: the process is ready when its port accepts a connection.
await_port() {
  local name=$1 port=$2
  if ! await 15 port_answers_or_dead "$name" "$port" || ! port_answers "$port"; then
    say_error "$name did not start on port $port; it said:"
    tail -n 20 "$run_folder/$name.log" >&2
    exit 1
  fi
}

group_is_gone() { ! group_lives "$1"; }

# kill_process <name>: SIGKILL to its whole process group, and waits until all of it is gone.
kill_process() {
  local pid=${process_pid[$1]}
  kill -KILL -- "-$pid" 2>/dev/null
  await 10 group_is_gone "$pid" || die "process group $pid ($1) survived SIGKILL"
}

# stop_process <name>: an orderly end (SIGTERM), by force if it takes too long.
stop_process() {
  local pid=${process_pid[$1]:-}
  [[ -n $pid ]] || return 0
  kill -TERM -- "-$pid" 2>/dev/null
  await 5 group_is_gone "$pid" || kill_process "$1"
}

# end_process <name> <signal>: asks the process, and not its children, to end, and waits until all of them have.
end_process() {
  kill -"$2" "${process_pid[$1]}" || die "$1 does not run"
  await 30 group_is_gone "${process_pid[$1]}" || die "$1 does not end after SIG$2"
}

end_all_processes() {
  local name pid
  for name in "${process_names[@]}"; do
    kill -TERM -- "-${process_pid[$name]}" 2>/dev/null
  done
  for name in "${process_names[@]}"; do
    pid=${process_pid[$name]}
    if ! await 3 group_is_gone "$pid"; then
      kill -KILL -- "-$pid" 2>/dev/null
      await 3 group_is_gone "$pid" || say_error "process group $pid ($name) is still there"
    fi
  done
}

show_logs() {
  local log
  for log in "$run_folder"/*.log; do
    [[ -s $log ]] || continue
    printf '%s\n' "--- ${log##*/}" >&2
    tail -n 15 "$log" >&2
  done
}
