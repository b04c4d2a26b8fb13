# What the scripts print: aligned, coloured on a terminal only (and never with NO_COLOR set). Sourced by scripts/demo
# and by the end-to-end tests.

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' dim='' green='' red='' plain=''
fi

verbose=${verbose:-}

say() { printf '%s\n' "$*"; }
say_verbose() { [[ -z $verbose ]] || printf '%s\n' "        $dim$*$plain"; }
say_error() { printf '%s\n' "${red}error:$plain $*" >&2; }

# Ends the script with a message; the EXIT trap cleans up.
die() {
  say_error "$@"
  exit 1
}

# Label and value, aligned.
say_pair() { printf '  %-14s %s\n' "$1" "$2"; }

# short_session <ID> [node]: for people, its first characters, its end, and the node that it names.
short_session() {
  local id=$1
  [[ -n $id ]] || { printf '%s' '-'; return; }
  printf '%s..%s' "${id:0:4}" "${id: -4}${2:+ ($2)}"
}

# "1 network wait", "2 network waits"; "waits not counted" for an empty argument.
count_waits() {
  case $1 in
    '') printf 'waits not counted' ;;
    1) printf '1 network wait' ;;
    *) printf '%s network waits' "$1" ;;
  esac
}
