# The demo's steps: each has a title, shows replies, says what must hold, and becomes a line of the summary.
# Sourced after client.sh.

step_number=0
step_title=''
step_served=''
step_session=''
step_waits=''
step_failed=''
failures=0
summary=()

close_step() {
  ((step_number == 0)) && return
  summary+=("$step_number|$step_title|${step_served:--}|${step_session:--}|${step_waits:--}|${step_failed:-yes}")
}

step() {
  close_step
  step_number=$((step_number + 1))
  step_title=$1 step_served='' step_session='' step_waits='' step_failed=''
  printf '\n%s%2d  %s%s\n' "$bold" "$step_number" "$step_title" "$plain"
}

# show_reply [how]: who served, the session, the waits.
show_reply() {
  local served="server $reply_server, process $reply_pid"
  if [[ -n $reply_error ]]; then
    printf '      %sfailed: %s%s\n' "$red" "$reply_error" "$plain"
    return
  fi
  printf '      %-26s  session %-15s  %-16s  %5s ms%s\n' "$served" "$(short_session "$reply_session" "$reply_node")" \
    "$(count_waits "$reply_waits")" "$reply_ms" "${1:+  $dim$1$plain}"
  [[ $step_served == *"$reply_server"* ]] || step_served+=${step_served:+, }$reply_server
  step_session=$(short_session "$reply_session" "$reply_node")
  step_waits+=${step_waits:+ }${reply_waits:-?}
}

shown() { printf '      %sok%s    %s\n' "$green" "$plain" "$1"; }

not_shown() {
  printf '      %sFAIL%s  %s\n' "$red" "$plain" "$1"
  step_failed=NO
  failures=$((failures + 1))
  say_error "step $step_number ($step_title) does not show: $1${2:+ ($2)}"
  show_summary
  say_error "what the servers logged:"
  show_logs
  exit 1
}

# expect <what must hold> <command>...
expect() {
  local what=$1
  shift
  if "$@"; then shown "$what"; else not_shown "$what"; fi
}

# expect_reply <what must hold> <field> <value>: the last reply's field has this value.
expect_reply() {
  local field=reply_$2
  if [[ ${!field} == "$3" && -z $reply_error ]]; then
    shown "$1"
  else
    not_shown "$1" "$2 is '${!field}' and not '$3'${reply_error:+; $reply_error}"
  fi
}

# expect_waits <what must hold> <at least> <at most>: of the last reply.
expect_waits() {
  if [[ $reply_waits =~ ^[0-9]+$ ]] && ((reply_waits >= $2 && reply_waits <= $3)); then
    shown "$1"
  else
    not_shown "$1" "$(count_waits "$reply_waits")"
  fi
}

session_names_a_node() { [[ -n $reply_node && -v node_port[$reply_node] ]]; }

show_summary() {
  close_step
  step_number=0
  local row column fields widths=(2 0 0 0 0 0) style=$bold
  local rows=('#|step|server|session|waits|shown' "${summary[@]}")
  for row in "${rows[@]}"; do
    IFS='|' read -r -a fields <<<"$row"
    for column in "${!fields[@]}"; do
      ((${#fields[column]} <= widths[column])) || widths[column]=${#fields[column]}
    done
  done
  say
  for row in "${rows[@]}"; do
    IFS='|' read -r -a fields <<<"$row"
    printf '%s%*s' "$style" "${widths[0]}" "${fields[0]}"
    for column in 1 2 3 4; do
      printf '  %-*s' "${widths[column]}" "${fields[column]}"
    done
    printf '  %s%s\n' "${fields[5]}" "$plain"
    style=''
  done
}

# --keep and --stop: the process groups and the start times of their leaders, so that no other process is ever ended.
start_time() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  read -r -a stat <<<"${stat##*) }"
  printf '%s' "${stat[19]}"
}

save_kept_run() {
  local name pid
  for name in "${process_names[@]}"; do
    pid=${process_pid[$name]}
    printf '%s %s %s\n' "$name" "$pid" "$(start_time "$pid")"
  done >"$run_folder/processes"
}

stop_kept_run() {
  local folder name pid started
  folder=$(realpath -- "$1")
  [[ $folder == */clustered_session.* && -f $folder/processes ]] ||
    die "$1 is not the folder of a kept demo"
  while read -r name pid started; do
    [[ $(start_time "$pid") == "$started" ]] || continue
    process_names+=("$name")
    process_pid[$name]=$pid
  done <"$folder/processes"
  end_all_processes
  rm -rf -- "$folder"
  say "stopped: ${process_names[*]:-nothing was running}"
}
