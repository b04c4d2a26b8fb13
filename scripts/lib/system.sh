# Folders with another Debian in them, for scripts/test-php and scripts/test-deb: as root, since they take chroot and mounts.
# These are in a namespace of their own, and end with the run, however that ends.
# Sourced by a script that has set `cache` (a folder), `verbose` (yes or no) and `suites` (Debian's, the first one whole).
# What it makes is a system: a folder $system, which may be set anew.

give_up() {
  printf '%s: %s\n0 passed, 1 failed\n' "${0##*/}" "$1"
  exit 1
}
child=
child_signal=TERM
end_child() {
  if [[ -n $child ]]; then kill -s "$child_signal" "$child" 2>/dev/null || true; fi
}
trap 'end_child; exit 130' INT
trap 'end_child; exit 143' TERM
trap 'end_child; exit 129' HUP

# contained COMMAND...: with processes and mounts of its own, which end with it. unshare takes no signal but this one.
contained() {
  local code=0
  unshare --mount --pid --fork --kill-child --propagation private -- "$@" {lock}>&- &
  child=$! child_signal=KILL
  wait "$child" || code=$?
  child=
  return "$code"
}

# logged NAME COMMAND...: with its output in a file, whose end is shown if it fails.
logged() {
  local log=$cache/$1.log code=0
  shift
  (
    set -euo pipefail
    child=
    trap 'end_child; exit 143' INT TERM HUP
    "$@"
  ) >"$log" 2>&1 </dev/null &
  child=$! child_signal=TERM
  wait "$child" || code=$?
  child=
  if [[ $code != 0 || $verbose == yes ]]; then
    printf -- '---- the end of %s ----\n' "$log"
    tail -n 60 "$log"
    printf -- '----\n'
  fi
  return "$code"
}

system=$cache/root

# Where this machine's apt gets Debian from.
mirror() {
  apt-get indextargets --format '$(REPO_URI)|$(LABEL)|$(COMPONENT)' 2>/dev/null |
    sed -nE 's/^([^|]*)\|Debian\|main$/\1/p' | sort -u | head -n 1
}

bootstrap() {
  command -v debootstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get -q -y install debootstrap
  rm -rf "$system" "$system.new"
  contained debootstrap --variant=minbase "${suites[0]}" "$system.new" "$mirror"
  # Nothing is started in it when it is installed.
  printf '#!/bin/sh\nexit 101\n' >"$system.new/usr/sbin/policy-rc.d"
  chmod 755 "$system.new/usr/sbin/policy-rc.d"
  mv "$system.new" "$system"
}

# in_system COMMAND...: in the folder.
in_system() {
  # shellcheck disable=SC2016
  contained bash -euo pipefail -c '
    system=$1
    shift
    mount -t proc proc "$system/proc"
    mount -t sysfs sysfs "$system/sys"
    mount -t tmpfs -o mode=1777 tmpfs "$system/tmp"
    mount --rbind /dev "$system/dev"
    cp /etc/resolv.conf "$system/etc/resolv.conf"
    code=0  # not the last command, which would become the first process, to which signals do nothing
    chroot "$system" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
      LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@" || code=$?
    exit "$code"' bash "$system" "$@"
}

# What apt in the system gets packages from. A server whose lists are not renewed is as good as another here.
use_mirror() {
  local suite
  for suite in "${suites[@]}"; do printf 'deb %s %s main\n' "$mirror" "$suite"; done >"$system/etc/apt/sources.list"
  {
    echo 'Acquire::Check-Valid-Until "false";'
    apt-config dump | grep -iE '^Acquire::(http|https)::.*Proxy' || true
  } >"$system/etc/apt/apt.conf.d/90tests"
  in_system apt-get -q update
}
