#!/bin/bash
# config.m4, tried out: building in place, `make test`, `make install`, and what configure says when a part is missing.
# Works on a copy of the checkout in a temporary folder. Prints one line per check and ends with 'N passed, N failed'.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
php_config=$(command -v "${PHP_CONFIG:-php-config}")
phpize=${PHPIZE:-${php_config/php-config/phpize}}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

passed=0
failed=0
# check NAME COMMAND...: passes if the command does; shows its output if it does not.
check() {
  local name=$1
  shift
  if "$@" >"$scratch/output" 2>&1; then
    printf 'ok: %s\n' "$name"
    passed=$((passed + 1))
  else
    printf 'FAILED: %s\n' "$name"
    tail -n 50 "$scratch/output" | sed 's/^/  /'
    failed=$((failed + 1))
  fi
}

mkdir "$scratch/source"
(cd "$root" && tar -cf - config.m4 LICENSE php_clustered_session.h src php_tests) | tar -xf - -C "$scratch/source"
cd "$scratch/source"

# -- What configure says -----------------------------------------------------------------------------------------------
# refuses TEXT CONFIGURE-ARGUMENT...: configure fails and says TEXT.
refuses() {
  local text=$1
  shift
  rm -rf "$scratch/refused"
  mkdir "$scratch/refused"
  if (cd "$scratch/refused" && "$scratch/source/configure" -q "$@") >"$scratch/configure.out" 2>&1; then
    echo "configure passed with $*"
    return 1
  fi
  grep -F -- "$text" "$scratch/configure.out" || {
    tail -n 5 "$scratch/configure.out"
    return 1
  }
}

# A php-config that claims another version, pkg-config files of other versions, and a compiler of another age.
fake_php_config() {
  sed -e "2i case \"\$1\" in --version) echo $1; exit;; --vernum) echo $2; exit;; esac" "$(readlink -f "$php_config")" \
    >"$scratch/php-config"
  chmod +x "$scratch/php-config"
}
pkg_config_folder() {
  rm -rf "$scratch/pc"
  mkdir "$scratch/pc"
  local name
  for name in "$@"; do
    printf 'Name: %s\nDescription: -\nVersion: %s\nLibs: -L%s -l%s\n' \
      "${name%=*}" "${name#*=}" "$scratch" "${name%=*}" >"$scratch/pc/${name%=*}.pc"
  done
}

check 'phpize takes config.m4' "$phpize"
fake_php_config 8.1.30 80130
check 'PHP before 8.2 is refused with its version' \
  refuses 'clustered_session needs PHP 8.2 to 8.6; this is PHP 8.1.30.' --with-php-config="$scratch/php-config"
pkg_config_folder
check 'a missing libmemcached is named' \
  refuses 'needs libmemcached 1.1.4 or later, and pkg-config finds none' \
  --with-php-config="$php_config" PKG_CONFIG_LIBDIR="$scratch/pc"
pkg_config_folder libmemcached=1.1.3 libsodium=1.0.18
check 'libmemcached before 1.1.4 is refused with its version' \
  refuses 'needs libmemcached 1.1.4 or later; this is 1.1.3.' \
  --with-php-config="$php_config" PKG_CONFIG_LIBDIR="$scratch/pc"
pkg_config_folder libmemcached=1.1.4
check 'a missing libsodium is named' \
  refuses 'needs libsodium, and pkg-config finds none' --with-php-config="$php_config" PKG_CONFIG_LIBDIR="$scratch/pc"
pkg_config_folder libmemcached=1.1.4 libsodium=1.0.18
check 'a missing libzstd is named where it is asked for' \
  refuses 'needs libzstd 1.4 or later, and pkg-config finds none' --enable-clustered-session-zstd \
  --with-php-config="$php_config" PKG_CONFIG_LIBDIR="$scratch/pc"
check 'a missing pkg-config is named' \
  refuses 'needs pkg-config' --with-php-config="$php_config" PKG_CONFIG=no

# Flags in place of pkg-config, and flags that lead elsewhere.
given=(LIBMEMCACHED_CFLAGS=-DGIVEN LIBMEMCACHED_LIBS=-lmemcached LIBSODIUM_CFLAGS=-DGIVEN LIBSODIUM_LIBS=-lsodium)
accepts() {
  rm -rf "$scratch/accepted"
  mkdir "$scratch/accepted"
  (cd "$scratch/accepted" && "$scratch/source/configure" -q --with-php-config="$php_config" "$@")
}
check 'flags of the libraries do in place of pkg-config' accepts PKG_CONFIG=no "${given[@]}"
# links FLAG...: the configured build links to exactly these.
links() {
  [[ $(grep -oE -- '(^| )-l[a-z]+' <(grep '^CLUSTERED_SESSION_SHARED_LIBADD' "$scratch/accepted/Makefile") |
    grep -vE 'pthread|stdc|xxhash' | tr -d '\n') == " $*" ]]
}
check 'the libraries are linked to as the flags say' links '-lmemcached -lsodium'
check 'of what pkg-config names only what is called is linked to, and what is found of OpenSSL and zstd' \
  eval "accepts && links '-lmemcached -lsodium -lssl -lcrypto -lzstd'"
check 'zstd is left out where that is asked for' \
  eval "accepts --disable-clustered-session-zstd && links '-lmemcached -lsodium -lssl -lcrypto'"
check 'OpenSSL is left out when it is told to be' \
  eval "accepts --without-clustered-session-tls && links '-lmemcached -lsodium -lzstd'"
pkg_config_folder libmemcached=1.1.4 libsodium=1.0.18
check 'a missing OpenSSL is named where it is asked for' \
  refuses 'needs OpenSSL 1.1.1 or later for TLS, and pkg-config finds none' \
  --with-php-config="$php_config" --with-clustered-session-tls PKG_CONFIG_LIBDIR="$scratch/pc"
mkdir -p "$scratch/flags/libmemcached" "$scratch/no_sodium"
printf '#define LIBMEMCACHED_VERSION_HEX 0x01001003\n' >"$scratch/flags/libmemcached/memcached.h"
check 'flags that lead to an older libmemcached are refused' \
  refuses "needs libmemcached 1.1.4 or later, and g++ finds no such headers with LIBMEMCACHED_CFLAGS=-I$scratch/flags" \
  --with-php-config="$php_config" CXX=g++ LIBMEMCACHED_CFLAGS="-I$scratch/flags" LIBMEMCACHED_LIBS=-lmemcached
printf '# error not here\n' >"$scratch/no_sodium/sodium.h"
check 'flags that lead to no libsodium are refused' \
  refuses "needs libsodium, and g++ finds no such headers with LIBSODIUM_CFLAGS=-I$scratch/no_sodium" \
  --with-php-config="$php_config" CXX=g++ LIBSODIUM_CFLAGS="-I$scratch/no_sodium" LIBSODIUM_LIBS=-lsodium
check 'CXXFLAGS=-Werror is no reason to refuse' accepts CXXFLAGS=-Werror
mkdir "$scratch/old"
echo '#define XXH_VERSION_NUMBER 700' >"$scratch/old/xxhash.h"
check 'an old xxhash.h is refused' \
  refuses 'needs xxhash.h 0.8 or later' --with-php-config="$php_config" CPPFLAGS="-I$scratch/old"
cat >"$scratch/old/g++" <<'SCRIPT'
#!/bin/sh
for argument; do test "$argument" != -std=c++20 || { echo "unrecognized option $argument" >&2; exit 1; }; done
exec g++ "$@"
SCRIPT
chmod +x "$scratch/old/g++"
check 'a compiler without C++20 is refused' \
  refuses 'needs a compiler with C++20' --with-php-config="$php_config" CXX="$scratch/old/g++"

# -- In place ----------------------------------------------------------------------------------------------------------
check 'configure passes in place' ./configure -q --with-php-config="$php_config" CXXFLAGS='-O0'
no_warnings() { ! grep -nE -- '-W(all|extra|error)' Makefile.objects Makefile; }
check 'no warnings are asked for that the user did not ask for' no_warnings
check 'it builds in place' make -s -j"$(nproc)"

# One test is enough to show that `make test` finds php_tests and loads the module; all of them run elsewhere.
mkdir "$scratch/kept"
first_test=$(find php_tests -maxdepth 1 -name '*.phpt' | sort | head -n 1)
make_test() {
  [[ -n $first_test ]] || return 1
  find php_tests -name '*.phpt' ! -path "$first_test" -delete
  NO_INTERACTION=1 make test 2>&1 | tee "$scratch/make_test.out"
  grep -E 'Tests passed *: *1 ' "$scratch/make_test.out"
}
check 'make test runs php_tests with the module' make_test

check 'make install puts the module where PHP looks' make -s install INSTALL_ROOT="$scratch/installed"
module=$scratch/installed$("$php_config" --extension-dir)/clustered_session.so
php=$("$php_config" --php-binary)
check 'the installed module loads' \
  "$php" -n -d extension="$module" -r 'exit(extension_loaded("clustered_session") ? 0 : 1);'
check 'the module binds its symbols at load' grep -E 'BIND_NOW|NOW' <(readelf -d "$module")
exported() { nm -D --defined-only "$module" | awk '{ print $NF }' | paste -sd ' '; }
check 'the module exports get_module and nothing else' test "$(exported)" = get_module

# musl, the C library of Alpine, has not all that glibc has. What the module calls of that is known, and why it does no
# harm: scripts/test-musl compiles what is built in place of it.
glibc_only=(
  __libc_single_threaded   # glibc's C++ library looks at it
  __register_atfork        # what glibc makes of pthread_atfork
  pthread_cond_clockwait   # glibc's C++ library calls it in condition variables
  pthread_mutex_clocklock  # src/local/shared_mutex.cc has another way
  sem_clockwait            # src/session/flush_seat.cc has another way
)
portable() {
  local musl
  musl=$(find /lib/*-linux-musl /usr/lib/musl/lib -name libc.so 2>/dev/null | head -n 1)
  [[ -n $musl ]] || {
    echo 'no musl to compare with (Debian: apt-get install musl)'
    return 1
  }
  nm -D --defined-only "$musl" | awk '{ print $3 }' | sort -u >"$scratch/musl"
  nm -D --undefined-only "$module" | sed -nE 's/^ +[Uw] ([^@]+)@+GLIBC_.*/\1/p' | sort -u >"$scratch/glibc"
  test -s "$scratch/musl" && test -s "$scratch/glibc" || return 1
  comm -23 "$scratch/glibc" "$scratch/musl" | grep -vxFf <(printf '%s\n' "${glibc_only[@]}") >"$scratch/only" || true
  sed 's/$/ is in glibc only/' "$scratch/only"
  test ! -s "$scratch/only"
}
check 'the module calls nothing that only glibc has, but for what has another way' portable

# A source that is missing from the list must not give a module that loads.
without_a_source() {
  rm -f clustered_session.la modules/*
  sed -i '\#^ *src/base/save_path\.cc$#d' config.m4
  "$phpize" && ./configure -q --with-php-config="$php_config" CXXFLAGS='-O0' && make -s -j"$(nproc)" || return 1
  test -f modules/clustered_session.so || return 1
  ! "$php" -n -d extension="$PWD/modules/clustered_session.so" -r 'exit(extension_loaded("clustered_session") ? 0 : 1);'
}
check 'a module that lacks a source does not load' without_a_source

printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed == 0 ]]
