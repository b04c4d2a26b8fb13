# Runs a step of scripts/test in a process group of its own and ends what the step leaves running. Sourced by it.

step_pid=

# Prints the processes of a group. What has ended and was not yet waited for does not count.
group_members() { ps -e -o pgid= -o stat= -o pid= -o args= | awk -v group="$1" '$1 == group && $2 !~ /^Z/'; }

end_group() {
  local group=$1 tries
  kill -TERM -- "-$group" 2>/dev/null || return 0
  for ((tries = 0; tries < 50; tries++)); do
    kill -0 -- "-$group" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL -- "-$group" 2>/dev/null || true
}

end_step() {
  local group=$step_pid
  step_pid=
  if [[ -n $group ]]; then end_group "$group"; fi
}

# run_in_group LOG COMMAND...: with its output in the file, and shown as well if $verbose is yes. Fails, too, if a process
# of the group outlives the command.
run_in_group() {
  local log=$1 code=0 tail_pid= tries left_over
  shift
  : >"$log"
  # With job control, what is started in the background is a process group of its own.
  set -m
  (
    set -euo pipefail
    "$@"
  ) >"$log" 2>&1 </dev/null {lock}>&- &
  step_pid=$!
  set +m
  if [[ $verbose == yes ]]; then
    tail -n +1 -f --pid="$step_pid" "$log" &
    tail_pid=$!
  fi
  wait "$step_pid" || code=$?
  if [[ -n $tail_pid ]]; then wait "$tail_pid" || true; fi
  # A moment is granted to what is just ending.
  for ((tries = 0; tries < 20; tries++)); do
    [[ -n $(group_members "$step_pid") ]] || break
    sleep 0.1
  done
  left_over=$(group_members "$step_pid")
  if [[ -n $left_over ]]; then
    printf 'processes of this step are still running; they are ended now:\n%s\n' "$left_over" >>"$log"
    end_step
    code=1
  fi
  step_pid=
  return "$code"
}
