dnl The extension's build: phpize && ./configure && make && make install, in this folder or from another one.
dnl Every check names what is missing and how to get it; nothing is built without a part.

dnl CLUSTERED_SESSION_MISSES(PKG-CONFIG NAME, WHAT, DEBIAN PACKAGE, VARIABLE): says why pkg-config's answer is no.
AC_DEFUN([CLUSTERED_SESSION_MISSES], [
  if test -z "$PKG_CONFIG" || test "$PKG_CONFIG" = "no"; then
    AC_MSG_ERROR([clustered_session needs pkg-config to find its libraries (Debian: apt-get install pkg-config), or $4_CFLAGS and $4_LIBS.])
  fi
  clustered_session_found=`$PKG_CONFIG --modversion $1 2>/dev/null`
  if test -z "$clustered_session_found"; then
    AC_MSG_ERROR([clustered_session needs $2, and pkg-config finds none (Debian: apt-get install $3). If it is installed elsewhere, name its pkgconfig folder in PKG_CONFIG_PATH, or set $4_CFLAGS and $4_LIBS.])
  fi
  AC_MSG_ERROR([clustered_session needs $2; this is $clustered_session_found. If another one is installed elsewhere, name its pkgconfig folder in PKG_CONFIG_PATH, or set $4_CFLAGS and $4_LIBS.])
])

dnl CLUSTERED_SESSION_COMPILES(WHAT, VARIABLE, DEBIAN PACKAGE, PROLOGUE): that the flags, whose ever they are, lead to it.
AC_DEFUN([CLUSTERED_SESSION_COMPILES], [
  AC_MSG_CHECKING([for the headers of $1])
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([$4], [])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([clustered_session needs $1, and $CXX finds no such headers with $2_CFLAGS=$$2_CFLAGS (Debian: apt-get install $3).])])
])

PHP_ARG_ENABLE([clustered-session],
  [whether to enable clustered sessions],
  [AS_HELP_STRING([--enable-clustered-session],
    [Enable the clustered session save handler])])

PHP_ARG_ENABLE([clustered-session-zstd],
  [whether clustered sessions can be compressed],
  [AS_HELP_STRING([--enable-clustered-session-zstd],
    [Clustered sessions: compression by libzstd [auto]])],
  [auto],
  [no])

PHP_ARG_WITH([clustered-session-tls],
  [for TLS to the nodes of clustered sessions],
  [AS_HELP_STRING([[--with-clustered-session-tls]],
    [clustered_session: TLS to nodes, by OpenSSL 1.1.1 or later (default: where pkg-config finds it)])],
  [auto],
  [no])

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
  dnl Each can be named in place of what pkg-config says: LIBMEMCACHED_CFLAGS and LIBMEMCACHED_LIBS, LIBSODIUM_..., XXHASH_...,
  dnl LIBZSTD_..., OPENSSL_...
  dnl libmemcached 1.1.3 and before can return another key's value after a timeout.
  clustered_session_libmemcached_given=$LIBMEMCACHED_LIBS
  PKG_CHECK_MODULES([LIBMEMCACHED], [libmemcached >= 1.1.4], [],
    [CLUSTERED_SESSION_MISSES([libmemcached], [libmemcached 1.1.4 or later], [libmemcached-dev], [LIBMEMCACHED])])
  if test -z "$clustered_session_libmemcached_given"; then
    dnl Not all that its pkg-config file names: neither libmemcachedutil nor libsasl2 is called from here.
    clustered_session_libmemcached_libs=
    for clustered_session_flag in $LIBMEMCACHED_LIBS; do
      case $clustered_session_flag in
        -L*|-lmemcached[)] clustered_session_libmemcached_libs="$clustered_session_libmemcached_libs $clustered_session_flag" ;;
      esac
    done
    LIBMEMCACHED_LIBS=$clustered_session_libmemcached_libs
  fi
  PHP_EVAL_INCLINE([$LIBMEMCACHED_CFLAGS])
  PHP_EVAL_LIBLINE([$LIBMEMCACHED_LIBS], [CLUSTERED_SESSION_SHARED_LIBADD])

  PKG_CHECK_MODULES([LIBSODIUM], [libsodium], [],
    [CLUSTERED_SESSION_MISSES([libsodium], [libsodium], [libsodium-dev], [LIBSODIUM])])
  PHP_EVAL_INCLINE([$LIBSODIUM_CFLAGS])
  PHP_EVAL_LIBLINE([$LIBSODIUM_LIBS], [CLUSTERED_SESSION_SHARED_LIBADD])

  clustered_session_tls_flags=
  if test "$PHP_CLUSTERED_SESSION_TLS" = "auto"; then
    PKG_CHECK_MODULES([OPENSSL], [libssl >= 1.1.1 libcrypto], [PHP_CLUSTERED_SESSION_TLS=yes], [PHP_CLUSTERED_SESSION_TLS=no])
  elif test "$PHP_CLUSTERED_SESSION_TLS" != "no"; then
    PKG_CHECK_MODULES([OPENSSL], [libssl >= 1.1.1 libcrypto], [],
      [CLUSTERED_SESSION_MISSES([libssl], [OpenSSL 1.1.1 or later for TLS], [libssl-dev], [OPENSSL])])
  fi
  if test "$PHP_CLUSTERED_SESSION_TLS" != "no"; then
    clustered_session_tls_flags="-DCLUSTERED_SESSION_TLS"
    PHP_EVAL_INCLINE([$OPENSSL_CFLAGS])
    PHP_EVAL_LIBLINE([$OPENSSL_LIBS], [CLUSTERED_SESSION_SHARED_LIBADD])
  fi

  dnl Its header is what is needed, and that is looked at below; a version that pkg-config does not know may do.
  PKG_CHECK_MODULES([XXHASH], [libxxhash >= 0.8], [], [
    XXHASH_CFLAGS=
    XXHASH_LIBS=-lxxhash
  ])
  PHP_EVAL_INCLINE([$XXHASH_CFLAGS])

  clustered_session_zstd_flags=
  if test "$PHP_CLUSTERED_SESSION_ZSTD" != "no"; then
    PKG_CHECK_MODULES([LIBZSTD], [libzstd >= 1.4], [
      clustered_session_zstd_flags=-DCLUSTERED_SESSION_ZSTD
      PHP_EVAL_INCLINE([$LIBZSTD_CFLAGS])
      PHP_EVAL_LIBLINE([$LIBZSTD_LIBS], [CLUSTERED_SESSION_SHARED_LIBADD])
    ], [
      if test "$PHP_CLUSTERED_SESSION_ZSTD" != "auto"; then
        CLUSTERED_SESSION_MISSES([libzstd], [libzstd 1.4 or later], [libzstd-dev], [LIBZSTD])
      fi
    ])
  fi

  dnl -- Compiler -------------------------------------------------------------------------------------------------------
  PHP_REQUIRE_CXX()
  clustered_session_saved_cxxflags=$CXXFLAGS
  dnl g++ warns of what this macro compiles, which must not be taken for an error.
  CXXFLAGS=`AS_ECHO(["$CXXFLAGS"]) | $SED 's/-Werror[[^ ]]*//g'`
  clustered_session_stdcxx=
  PHP_CXX_COMPILE_STDCXX([20], [optional], [clustered_session_stdcxx])
  CXXFLAGS=$clustered_session_saved_cxxflags
  AC_LANG_PUSH([C++])
  clustered_session_saved_cppflags=$CPPFLAGS
  CXXFLAGS="$CXXFLAGS $clustered_session_stdcxx"
  CPPFLAGS="$CPPFLAGS $INCLUDES $LIBMEMCACHED_CFLAGS $LIBSODIUM_CFLAGS $XXHASH_CFLAGS"

  dnl PHP's macro looks at the compiler; an old library may still stand beside a new one.
  AC_MSG_CHECKING([whether $CXX has the library of C++20])
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

  CLUSTERED_SESSION_COMPILES([libmemcached 1.1.4 or later], [LIBMEMCACHED], [libmemcached-dev], [[
#include <libmemcached/memcached.h>
#if LIBMEMCACHED_VERSION_HEX < 0x01001004
# error too old
#endif
]])
  CLUSTERED_SESSION_COMPILES([libsodium], [LIBSODIUM], [libsodium-dev], [[
#include <sodium.h>
]])

  if test "$PHP_CLUSTERED_SESSION_TLS" != "no"; then
    CPPFLAGS="$CPPFLAGS $OPENSSL_CFLAGS"
    CLUSTERED_SESSION_COMPILES([OpenSSL 1.1.1 or later for TLS], [OPENSSL], [libssl-dev], [[
#include <openssl/ssl.h>
#if OPENSSL_VERSION_NUMBER < 0x10101000L
# error too old
#endif
]])
  fi

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
     AC_MSG_ERROR([clustered_session needs xxhash.h 0.8 or later (Debian: apt-get install libxxhash-dev). If it is installed elsewhere: ./configure XXHASH_CFLAGS=-I... XXHASH_LIBS=...])])

  dnl Faster on long payloads, where the library was built with it; without it nothing is missing.
  AC_MSG_CHECKING([whether libxxhash chooses the widest registers at run time])
  clustered_session_saved_libs=$LIBS
  LIBS="$LIBS $XXHASH_LIBS"
  clustered_session_xxhash_flags=
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#include <xxh_x86dispatch.h>
]], [[
  return XXH3_64bits_withSeed_dispatch("x", 1, 1) == 0;
]])],
    [AC_MSG_RESULT([yes])
     clustered_session_xxhash_flags=-DCLUSTERED_SESSION_XXH_DISPATCH],
    [AC_MSG_RESULT([no])])
  LIBS=$clustered_session_saved_libs
  dnl Not before LIBS is what it was: where the extension is built into PHP, that is where the library is named.
  if test -n "$clustered_session_xxhash_flags"; then
    PHP_EVAL_LIBLINE([$XXHASH_LIBS], [CLUSTERED_SESSION_SHARED_LIBADD])
  fi

  CXXFLAGS=$clustered_session_saved_cxxflags
  CPPFLAGS=$clustered_session_saved_cppflags
  AC_LANG_POP([C++])

  PHP_ADD_LIBRARY([pthread], [1], [CLUSTERED_SESSION_SHARED_LIBADD])
  PHP_ADD_LIBRARY([stdc++], [1], [CLUSTERED_SESSION_SHARED_LIBADD])
  dnl A source that is missing from the list below must fail when PHP starts, not when a request first needs it.
  CLUSTERED_SESSION_SHARED_LIBADD="$CLUSTERED_SESSION_SHARED_LIBADD -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete"

  dnl -- Sources --------------------------------------------------------------------------------------------------------
  dnl sources: begin (scripts/check_sources --write)
  CLUSTERED_SESSION_SOURCES="
    src/base/keyring.cc
    src/base/on_demand_thread.cc
    src/base/pool_keys.cc
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
    src/memcached/meta_listing.cc
    src/memcached/meta_node.cc
    src/memcached/meta_protocol.cc
    src/memcached/node_engine.cc
    src/memcached/node_item.cc
    src/memcached/node_process.cc
    src/memcached/resolver.cc
    src/memcached/socket.cc
    src/memcached/tls_client.cc
    src/memcached/tls_stream.cc
    src/memcached/transport.cc
    src/php/affinity.cc
    src/php/background.cc
    src/php/cookie_header.cc
    src/php/facts.cc
    src/php/ini.cc
    src/php/inspect.cc
    src/php/key_file.cc
    src/php/metrics.cc
    src/php/migration.cc
    src/php/migration_status.cc
    src/php/module.cc
    src/php/notices.cc
    src/php/old_handler_call.cc
    src/php/renewal.cc
    src/php/save_handler.cc
    src/php/setting_parsers.cc
    src/php/status.cc
    src/php/store.cc
    src/php/takeover.cc
    src/record/ancestry.cc
    src/record/causal_context.cc
    src/record/compression.cc
    src/record/merge.cc
    src/record/news_log.cc
    src/record/payload_split.cc
    src/record/record.cc
    src/record/record_cipher.cc
    src/record/record_codec.cc
    src/record/record_format1.cc
    src/session/background_flusher.cc
    src/session/bad_record.cc
    src/session/cluster_lock.cc
    src/session/cluster_session_lock.cc
    src/session/commit.cc
    src/session/conflict.cc
    src/session/destroy_path.cc
    src/session/entry_path.cc
    src/session/event_log.cc
    src/session/examination.cc
    src/session/flush_path.cc
    src/session/flush_seat.cc
    src/session/flusher.cc
    src/session/held_locks.cc
    src/session/inspection.cc
    src/session/key_files.cc
    src/session/loaded_session.cc
    src/session/lock_keeper.cc
    src/session/lock_leases.cc
    src/session/moved_session.cc
    src/session/news.cc
    src/session/node_list.cc
    src/session/node_memory.cc
    src/session/notice.cc
    src/session/old_handler.cc
    src/session/pool_table.cc
    src/session/read_path.cc
    src/session/reconcile.cc
    src/session/refill_batch.cc
    src/session/refill_note.cc
    src/session/refiller.cc
    src/session/repair_batch.cc
    src/session/repair_needs.cc
    src/session/repair_outcome.cc
    src/session/repairer.cc
    src/session/replicator.cc
    src/session/room_watch.cc
    src/session/session.cc
    src/session/session_address.cc
    src/session/setup_watch.cc
    src/session/shared_news.cc
    src/session/shared_repair.cc
    src/session/shared_state.cc
    src/session/signed_id.cc
    src/session/succession.cc
    src/session/survey.cc
    src/session/tombstone.cc
    src/session/untold_ends.cc
    src/session/worker.cc
    src/session/write_path.cc
  "
  dnl sources: end

  dnl Warnings are for those who change it: scripts/build_extension asks for them.
  CLUSTERED_SESSION_CXXFLAGS="$clustered_session_stdcxx -fvisibility=hidden -DZEND_ENABLE_STATIC_TSRMLS_CACHE=1"
  CLUSTERED_SESSION_CXXFLAGS="$CLUSTERED_SESSION_CXXFLAGS $clustered_session_xxhash_flags $clustered_session_zstd_flags $clustered_session_tls_flags"
  PHP_NEW_EXTENSION([clustered_session], [$CLUSTERED_SESSION_SOURCES], [$ext_shared],,
    [$CLUSTERED_SESSION_CXXFLAGS], [cxx])
  PHP_ADD_EXTENSION_DEP([clustered_session], [session])
  for clustered_session_layer in base record local cluster memcached session php; do
    PHP_ADD_BUILD_DIR([$ext_builddir/src/$clustered_session_layer])
  done
  dnl Symbols of templates and of the C++ library are visible whatever -fvisibility says.
  CLUSTERED_SESSION_SHARED_LIBADD="$CLUSTERED_SESSION_SHARED_LIBADD -Wl,--version-script=$ext_srcdir/src/php/exports.map"
  PHP_SUBST([CLUSTERED_SESSION_SHARED_LIBADD])

  dnl `make test` looks for tests where phpize was run unless it is told; `make test TESTS=...` still names others. Where
  dnl the extension is a part of PHP, `make test` is PHP's own.
  if test "$ext_builddir" = "."; then
    TESTS=$ext_srcdir/php_tests
    PHP_SUBST([TESTS])
  fi
fi
