dnl The extension's build: phpize && ./configure && make && make install, in this folder or from another one.
dnl Every check names what is missing and how to get it; nothing is built without a part.

PHP_ARG_ENABLE([clustered-session],
  [whether to enable clustered sessions],
  [AS_HELP_STRING([--enable-clustered-session],
    [Enable the clustered session save handler])])

if test "$PHP_CLUSTERED_SESSION" != "no"; then
  dnl -- PHP ------------------------------------------------------------------------------------------------------------
  AC_MSG_CHECKING([for PHP 8.2 or later, with sessions])
  if test -n "$PHP_CONFIG"; then
    clustered_session_php_version=`$PHP_CONFIG --version`
    clustered_session_php_vernum=`$PHP_CONFIG --vernum`
  else
    clustered_session_php_version=$PHP_VERSION
    clustered_session_php_vernum=$PHP_VERSION_ID
  fi
  if test -z "$clustered_session_php_vernum" || test "$clustered_session_php_vernum" -lt 80200; then
    AC_MSG_RESULT([no])
    AC_MSG_ERROR([clustered_session needs PHP 8.2 to 8.6; this is PHP ${clustered_session_php_version:-of unknown version}. Use another phpize, or --with-php-config=PATH.])
  fi
  if test -n "$PHP_CONFIG" && test ! -f "$phpincludedir/ext/session/php_session.h"; then
    AC_MSG_RESULT([no])
    AC_MSG_ERROR([clustered_session needs PHP's session module; PHP $clustered_session_php_version at $prefix was built without it.])
  fi
  AC_MSG_RESULT([yes, $clustered_session_php_version])
  if test "$clustered_session_php_vernum" -ge 80700; then
    AC_MSG_WARN([clustered_session is made for PHP 8.2 to 8.6; nobody has tried it with $clustered_session_php_version.])
  fi

  dnl -- Libraries ------------------------------------------------------------------------------------------------------
  if test -z "$PKG_CONFIG" || test "$PKG_CONFIG" = "no"; then
    AC_MSG_ERROR([clustered_session needs pkg-config to find its libraries (Debian: apt-get install pkg-config).])
  fi

  dnl libmemcached 1.1.3 and before can return another key's value after a timeout.
  AC_MSG_CHECKING([for libmemcached 1.1.4 or later])
  clustered_session_libmemcached_version=`$PKG_CONFIG --modversion libmemcached 2>/dev/null`
  if test -z "$clustered_session_libmemcached_version"; then
    AC_MSG_RESULT([no])
    AC_MSG_ERROR([clustered_session needs libmemcached 1.1.4 or later, and pkg-config finds none (Debian: apt-get install libmemcached-dev). If it is installed elsewhere, name its pkgconfig folder in PKG_CONFIG_PATH.])
  elif $PKG_CONFIG --atleast-version=1.1.4 libmemcached; then
    AC_MSG_RESULT([yes, $clustered_session_libmemcached_version])
  else
    AC_MSG_RESULT([no, $clustered_session_libmemcached_version])
    AC_MSG_ERROR([clustered_session needs libmemcached 1.1.4 or later; this is $clustered_session_libmemcached_version. If another one is installed elsewhere, name its pkgconfig folder in PKG_CONFIG_PATH.])
  fi
  PHP_EVAL_INCLINE([`$PKG_CONFIG --cflags libmemcached`])
  dnl Not all that its pkg-config file names: neither libmemcachedutil nor libsasl2 is called from here.
  PHP_EVAL_LIBLINE([`$PKG_CONFIG --libs-only-L libmemcached` -lmemcached], [CLUSTERED_SESSION_SHARED_LIBADD])

  AC_MSG_CHECKING([for libsodium])
  clustered_session_libsodium_version=`$PKG_CONFIG --modversion libsodium 2>/dev/null`
  if test -z "$clustered_session_libsodium_version"; then
    AC_MSG_RESULT([no])
    AC_MSG_ERROR([clustered_session needs libsodium, and pkg-config finds none (Debian: apt-get install libsodium-dev). If it is installed elsewhere, name its pkgconfig folder in PKG_CONFIG_PATH.])
  fi
  AC_MSG_RESULT([yes, $clustered_session_libsodium_version])
  PHP_EVAL_INCLINE([`$PKG_CONFIG --cflags libsodium`])
  PHP_EVAL_LIBLINE([`$PKG_CONFIG --libs libsodium`], [CLUSTERED_SESSION_SHARED_LIBADD])

  dnl -- Compiler -------------------------------------------------------------------------------------------------------
  PHP_REQUIRE_CXX()
  AC_LANG_PUSH([C++])
  clustered_session_saved_cxxflags=$CXXFLAGS
  clustered_session_saved_cppflags=$CPPFLAGS
  CXXFLAGS="$CXXFLAGS -std=c++20"
  CPPFLAGS="$CPPFLAGS $INCLUDES"

  AC_MSG_CHECKING([whether $CXX compiles C++20])
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#include <bit>
#include <chrono>
#include <compare>
#include <span>
#include <string_view>
struct Value {
  int number = 0;
  friend bool operator==(const Value&, const Value&) = default;
  friend auto operator<=>(const Value&, const Value&) = default;
};
]], [[
  std::span<const char> bytes("x", 1);
  return Value{.number = 1} == Value{} || bytes.size() != 1 || std::has_single_bit(3u);
]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([clustered_session needs a compiler with C++20, such as g++ 11 or clang 14, and $CXX -std=c++20 is none. Name another one: ./configure CXX=...])])

  AC_MSG_CHECKING([for xxhash.h 0.8 or later])
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#define XXH_INLINE_ALL
#include <xxhash.h>
#if XXH_VERSION_NUMBER < 800
# error XXH3 is not final before 0.8
#endif
]], [[
  return XXH3_64bits("x", 1) == 0;
]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([clustered_session needs xxhash.h 0.8 or later (Debian: apt-get install libxxhash-dev). If it is installed elsewhere: ./configure CPPFLAGS=-I...])])

  dnl Faster on long payloads, where the library was built with it; without it nothing is missing.
  AC_MSG_CHECKING([whether libxxhash chooses the widest registers at run time])
  clustered_session_saved_libs=$LIBS
  LIBS="$LIBS -lxxhash"
  clustered_session_xxhash_flags=
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#include <xxh_x86dispatch.h>
]], [[
  return XXH3_64bits_withSeed_dispatch("x", 1, 1) == 0;
]])],
    [AC_MSG_RESULT([yes])
     clustered_session_xxhash_flags=-DCLUSTERED_SESSION_XXH_DISPATCH
     PHP_ADD_LIBRARY([xxhash], [1], [CLUSTERED_SESSION_SHARED_LIBADD])],
    [AC_MSG_RESULT([no])])
  LIBS=$clustered_session_saved_libs

  CXXFLAGS=$clustered_session_saved_cxxflags
  CPPFLAGS=$clustered_session_saved_cppflags
  AC_LANG_POP([C++])

  PHP_ADD_LIBRARY([pthread], [1], [CLUSTERED_SESSION_SHARED_LIBADD])
  PHP_ADD_LIBRARY([stdc++], [1], [CLUSTERED_SESSION_SHARED_LIBADD])
  dnl A source that is missing from the list below must fail when PHP starts, not when a request first needs it.
  CLUSTERED_SESSION_SHARED_LIBADD="$CLUSTERED_SESSION_SHARED_LIBADD -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete"
  PHP_SUBST([CLUSTERED_SESSION_SHARED_LIBADD])

  dnl -- Sources --------------------------------------------------------------------------------------------------------
  dnl sources: begin (scripts/check_sources --write)
  CLUSTERED_SESSION_SOURCES="
    src/base/on_demand_thread.cc
    src/base/process_number.cc
    src/base/save_path.cc
    src/base/session_id.cc
    src/base/session_key.cc
    src/base/units.cc
    src/cluster/flight.cc
    src/cluster/health.cc
    src/cluster/health_table.cc
    src/cluster/node.cc
    src/cluster/node_code.cc
    src/cluster/node_gate.cc
    src/cluster/node_set.cc
    src/cluster/node_watch.cc
    src/cluster/placement.cc
    src/cluster/sentinel.cc
    src/local/arena.cc
    src/local/entry_head.cc
    src/local/expiry_tree.cc
    src/local/lock_queues.cc
    src/local/payload.cc
    src/local/segment.cc
    src/local/shard_table.cc
    src/local/shared_mutex.cc
    src/local/shared_session_locks.cc
    src/local/shared_store.cc
    src/local/store_check.cc
    src/local/store_list.cc
    src/local/store_repair.cc
    src/local/store_room.cc
    src/local/store_walk.cc
    src/local/undo_log.cc
    src/memcached/classic_connection.cc
    src/memcached/classic_node.cc
    src/memcached/classic_operation.cc
    src/memcached/memcached_node.cc
    src/memcached/meta_attempt.cc
    src/memcached/meta_connection.cc
    src/memcached/meta_node.cc
    src/memcached/meta_protocol.cc
    src/memcached/node_engine.cc
    src/memcached/node_item.cc
    src/memcached/node_process.cc
    src/memcached/resolver.cc
    src/memcached/socket.cc
    src/php/affinity.cc
    src/php/background.cc
    src/php/cookie_header.cc
    src/php/ini.cc
    src/php/module.cc
    src/php/notices.cc
    src/php/renewal.cc
    src/php/save_handler.cc
    src/php/status.cc
    src/php/store.cc
    src/record/ancestry.cc
    src/record/causal_context.cc
    src/record/merge.cc
    src/record/payload_split.cc
    src/record/record.cc
    src/record/record_format1.cc
    src/session/background_flusher.cc
    src/session/cluster_lock.cc
    src/session/cluster_session_lock.cc
    src/session/commit.cc
    src/session/conflict.cc
    src/session/destroy_path.cc
    src/session/entry_path.cc
    src/session/event_log.cc
    src/session/flush_path.cc
    src/session/flush_seat.cc
    src/session/flusher.cc
    src/session/held_locks.cc
    src/session/loaded_session.cc
    src/session/lock_keeper.cc
    src/session/lock_leases.cc
    src/session/node_list.cc
    src/session/node_memory.cc
    src/session/notice.cc
    src/session/pool_table.cc
    src/session/read_path.cc
    src/session/reconcile.cc
    src/session/repair_batch.cc
    src/session/repair_needs.cc
    src/session/repairer.cc
    src/session/replicator.cc
    src/session/session.cc
    src/session/session_address.cc
    src/session/setup_watch.cc
    src/session/shared_repair.cc
    src/session/shared_state.cc
    src/session/succession.cc
    src/session/survey.cc
    src/session/tombstone.cc
    src/session/worker.cc
    src/session/write_path.cc
  "
  dnl sources: end

  CLUSTERED_SESSION_CXXFLAGS="-std=c++20 -fvisibility=hidden -Wall -Wextra -Wno-unused-parameter"
  CLUSTERED_SESSION_CXXFLAGS="$CLUSTERED_SESSION_CXXFLAGS -DZEND_ENABLE_STATIC_TSRMLS_CACHE=1"
  CLUSTERED_SESSION_CXXFLAGS="$CLUSTERED_SESSION_CXXFLAGS $clustered_session_xxhash_flags"
  PHP_NEW_EXTENSION([clustered_session], [$CLUSTERED_SESSION_SOURCES], [$ext_shared],,
    [$CLUSTERED_SESSION_CXXFLAGS], [cxx])
  PHP_ADD_EXTENSION_DEP([clustered_session], [session])
  for clustered_session_layer in base record local cluster memcached session php; do
    PHP_ADD_BUILD_DIR([$ext_builddir/src/$clustered_session_layer])
  done

  dnl `make test` looks for tests where phpize was run unless it is told; `make test TESTS=...` still names others.
  TESTS=$ext_srcdir/php_tests
  PHP_SUBST([TESTS])
fi
