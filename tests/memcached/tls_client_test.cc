// What connections with TLS share: what OpenSSL is told, and how long a node's session is good, and for whom. Mirrors
// src/memcached/tls_client.h.
#ifdef CLUSTERED_SESSION_TLS

#include "src/memcached/tls_client.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "tests/memcached/node_fixture.h"
#include "tests/support/memcached_process.h"
#include "tests/support/tls_authority.h"
#include "tests/support/tls_server.h"

namespace clustered_session {
namespace {

constexpr TimePoint kSomeTime{std::chrono::hours(1000)};

std::shared_ptr<TlsContext> ContextWithoutChecks() {
  NodeTls tls;
  tls.verifies = false;
  const Result<std::shared_ptr<TlsContext>> loaded = TlsContext::Load(tls);
  REQUIRE(loaded.ok());
  return *loaded;
}

bool Offers(TlsContext* context, const std::string& peer, TimePoint now) {
  TimePoint checked_at;
  return context->SessionOf(peer, now, &checked_at) != nullptr;
}

TEST_CASE("TLS is 1.2 at least, renegotiates and compresses nothing, and asks nobody for a key's password") {
  const auto context = ContextWithoutChecks();
  CHECK(SSL_CTX_get_min_proto_version(context->get()) == TLS1_2_VERSION);
  CHECK((SSL_CTX_get_options(context->get()) & SSL_OP_NO_RENEGOTIATION) != 0);
  CHECK((SSL_CTX_get_options(context->get()) & SSL_OP_NO_COMPRESSION) != 0);
  pem_password_cb* const ask = SSL_CTX_get_default_passwd_cb(context->get());
  REQUIRE(ask != nullptr);
  char password[16];
  CHECK(ask(password, sizeof password, 0, nullptr) == -1);
}

TEST_CASE("a node's session is offered to that node alone, and for an hour") {
  const auto context = ContextWithoutChecks();
  context->Keep("a:1", SslSession(SSL_SESSION_new()), kSomeTime);
  TimePoint checked_at;
  CHECK(context->SessionOf("a:1", kSomeTime + std::chrono::minutes(60), &checked_at) != nullptr);
  CHECK(checked_at == kSomeTime);
  CHECK_FALSE(Offers(context.get(), "a:2", kSomeTime));
  CHECK_FALSE(Offers(context.get(), "a:1", kSomeTime + std::chrono::minutes(61)));
  CHECK_FALSE(Offers(context.get(), "a:1", kSomeTime));  // it was given up
}

TEST_CASE("no session is kept of a node that has refused one") {
  const auto context = ContextWithoutChecks();
  context->Keep("a:1", SslSession(SSL_SESSION_new()), kSomeTime);
  context->Refuse("a:1");
  CHECK_FALSE(Offers(context.get(), "a:1", kSomeTime));
  context->Keep("a:1", SslSession(SSL_SESSION_new()), kSomeTime);
  CHECK_FALSE(Offers(context.get(), "a:1", kSomeTime));
}

TEST_CASE("the hour begins where the node's certificate was looked at, however often its session is gone on with") {
  TlsAuthority authority;
  MemcachedProcess memcached;
  TlsServer server({authority.Issue("node"), memcached.port(), GENERATE(TLS1_2_VERSION, TLS1_3_VERSION)});
  NodeTls tls;
  tls.ca_file = authority.file();
  TimePoint first;
  for (int i = 0; i < 3; ++i) {
    TestNode client(TlsAddress(server.port()), tls);
    REQUIRE(client.Write("k", "v").status == NodeStatus::kStored);
    const auto context = TlsClient::OfProcess(tls)->Context();
    REQUIRE(context.ok());
    TimePoint checked_at;
    REQUIRE((*context)->SessionOf(TlsAddress(server.port()).Place(), Now(), &checked_at) != nullptr);
    if (i == 0) first = checked_at;
    CHECK(checked_at == first);
  }
  CHECK(server.resumed() == 2);
}

}  // namespace
}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TLS
