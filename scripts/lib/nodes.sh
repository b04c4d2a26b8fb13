# Asks memcached nodes what they hold, past the extension. Sourced after servers.sh.

# items_on <node>: how many items memcached says it holds.
items_on() {
  local socket name value
  exec {socket}<>"/dev/tcp/127.0.0.1/${node_port[$1]}" || return
  printf 'stats\r\nquit\r\n' >&"$socket"
  while read -r _ name value <&"$socket"; do
    [[ $name != curr_items ]] || printf '%d' "${value%$'\r'}"
  done
  exec {socket}>&-
}

# has_sessions <node> <number>: at least so many beside the one item by which the node is known.
has_sessions() { (($(items_on "$1") > $2)); }
