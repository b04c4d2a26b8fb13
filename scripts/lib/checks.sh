# Counts what an end-to-end test checks and prints `N passed, N failed` as its last line, also when the test breaks off;
# with `, N skipped` where this machine does not allow a check. Sourced after processes.sh.

checks_passed=0
checks_failed=0
checks_skipped=0
checks_done=''
at_exit=report_checks

check_passes() {
  checks_passed=$((checks_passed + 1))
  printf '  %sok%s    %s\n' "$green" "$plain" "$1"
}

check_fails() {
  checks_failed=$((checks_failed + 1))
  printf '  %sFAIL%s  %s%s\n' "$red" "$plain" "$1" "${2:+: $2}"
}

# check_skipped <what cannot be checked> <why>
check_skipped() {
  checks_skipped=$((checks_skipped + 1))
  printf '  skip  %s: %s\n' "$1" "$2"
}

# check <what must hold> <command>...
check() {
  local what=$1
  shift
  if "$@"; then check_passes "$what"; else check_fails "$what" "$*"; fi
}

# check_equal <what must hold> <expected> <actual>
check_equal() {
  if [[ $2 == "$3" ]]; then check_passes "$1"; else check_fails "$1" "'$3', expected '$2'"; fi
}

# check_at_least <what must hold> <number> <actual>
check_at_least() {
  if [[ $3 =~ ^[0-9]+$ ]] && (($3 >= $2)); then check_passes "$1"; else check_fails "$1" "'$3', expected $2 or more"; fi
}

# check_at_most <what must hold> <number> <actual>
check_at_most() {
  if [[ $3 =~ ^[0-9]+$ ]] && (($3 <= $2)); then check_passes "$1"; else check_fails "$1" "'$3', expected $2 or less"; fi
}

# check_waits <what must hold> <at most> <actual>
check_waits() {
  if [[ $3 =~ ^[0-9]+$ ]] && (($3 <= $2)); then check_passes "$1"; else check_fails "$1" "'$3' waits, expected $2"; fi
}

section() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

end_checks() {
  checks_done=yes
  ((checks_failed == 0)) || exit 1
  exit 0
}

# Called by end_run, after everything is ended and removed.
report_checks() {
  if [[ -z $checks_done ]]; then
    check_fails 'the test ran to its end'
    exit_code=1
  fi
  printf '\n%s passed, %s failed' "$checks_passed" "$checks_failed"
  ((checks_skipped == 0)) || printf ', %s skipped' "$checks_skipped"
  printf '\n'
}
