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

# sessions_on <node>: the items beside the one by which the node is known, and the log of what servers tell there.
sessions_on() {
  local socket answer
  exec {socket}<>"/dev/tcp/127.0.0.1/${node_port[$1]}" || return
  printf 'mg cs:news s\r\nquit\r\n' >&"$socket"
  read -r answer <&"$socket"
  exec {socket}>&-
  if [[ $answer == HD* ]]; then
    printf '%d' $(($(items_on "$1") - 2))
  else
    printf '%d' $(($(items_on "$1") - 1))
  fi
}

# has_sessions <node> <number>
has_sessions() { (($(sessions_on "$1") >= $2)); }
