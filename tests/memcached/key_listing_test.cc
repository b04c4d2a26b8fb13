// A node lists its keys: all of them, also while it serves others, and what else it may answer. Layer: tests. Mirrors
// src/memcached/meta_listing.h.
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "src/cluster/sentinel.h"
#include "src/memcached/meta_protocol.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/tls_authority.h"

using namespace clustered_session;

namespace {

using State = KeyListing::State;

// A client that has spoken with the node before, as whoever lists has.
struct Lister {
  explicit Lister(const NodeAddress& address, const NodeCredentials& credentials = {}, const NodeTls& tls = {})
      : node(MakeMemcachedNode(address, kLongTimeouts, nullptr, &counters, credentials, tls)) {
    node->StartRead(kSentinelKey, Now() + seconds(5));
    REQUIRE(node->FinishRead().status == NodeStatus::kHit);
    listing = node->ListKeys();
    REQUIRE(listing != nullptr);
  }

  State Run() {
    State state = State::kUnderWay;
    while (state == State::kUnderWay) {
      state = listing->Step(milliseconds(20), [this](std::string_view key, size_t size) {
        ++shown;
        sizes[std::string(key)] = size;
      });
      ++steps;
    }
    return state;
  }

  // memcached may be at a list of its own just then.
  State RunWhenIdle() {
    State state = Run();
    while (state == State::kBusy) {
      listing = node->ListKeys();
      state = Run();
    }
    return state;
  }

  Counters counters;
  std::unique_ptr<Node> node;
  std::unique_ptr<KeyListing> listing;
  std::map<std::string, size_t> sizes;
  size_t shown = 0;
  int steps = 0;
};

void Fill(const MemcachedProcess& server, const std::string& prefix, int count) {
  for (int first = 0; first < count; first += 1000) {
    std::string text;
    for (int i = first; i < std::min(first + 1000, count); ++i) {
      text += "set " + prefix + std::to_string(i) + " 0 0 3 noreply\r\nabc\r\n";
    }
    REQUIRE(server.Ask(text + "get none\r\n", "END\r\n") == "END\r\n");
  }
}

TEST_CASE("a node lists every key once, with the size of its item, in bounded steps", "[listing]") {
  MemcachedProcess server;
  Fill(server, "other/key?&=%:", 20'000);
  REQUIRE(server.Set("cs:large", std::string(100'000, 'x')));
  Lister lister(TcpAddress(server.port()));
  CHECK(lister.RunWhenIdle() == State::kWhole);
  CHECK(lister.sizes.size() == 20'002);  // the sentinel as well
  CHECK(lister.shown == lister.sizes.size());
  CHECK(lister.sizes.count("other/key?&=%:19999") == 1);
  CHECK(lister.sizes["cs:large"] > 100'000);
  CHECK(lister.sizes["other/key?&=%:1"] < 200);
  // The node serves on the client's own connection as before.
  lister.node->StartRead("cs:large", Now() + seconds(5), nullptr, Show::kValue);
  CHECK(lister.node->FinishRead().status == NodeStatus::kHit);
}

TEST_CASE("an empty node, a unix socket, and a node with a password list as well", "[listing]") {
  const NodeCredentials user = kTextUser;
  MemcachedProcess server(Asking(user));
  Lister lister(TcpAddress(server.port()), user);
  CHECK(lister.RunWhenIdle() == State::kWhole);
  CHECK(lister.sizes.size() == 1);  // the sentinel
  TempDir folder;
  MemcachedProcess::Options options;
  options.unix_path = folder.path() + "/m";
  MemcachedProcess local(options);
  Lister of_local(UnixAddress(options.unix_path));
  CHECK(of_local.RunWhenIdle() == State::kWhole);
}

TEST_CASE("a node that makes no lists, or has no time for one, says so", "[listing]") {
  MemcachedProcess::Options options;
  options.arguments = {"-X"};
  MemcachedProcess forbids(options);
  CHECK(Lister(TcpAddress(forbids.port())).Run() == State::kNone);
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  ProxyFaults faults;
  const auto answers = [&](const std::string& text, bool closes = false) {
    Lister lister(TcpAddress(proxy.port()));
    faults.list_answer = text;
    faults.list_closes = closes;
    proxy.Set(faults);
    const State state = lister.Run();
    proxy.Heal();
    return state;
  };
  const std::string key = "key=cs%3Aa exp=1 la=1 cas=1 fetch=no cls=1 size=74\n";
  CHECK(answers(key + "END\r\n") == State::kWhole);
  CHECK(answers("OK\r\n" + key + "END\r\n") == State::kWhole);
  CHECK(answers("OK\r\nEND\r\n") == State::kWhole);
  CHECK(answers("OK\r\n", /*closes=*/true) == State::kFailed);
  CHECK(answers("BUSY currently processing crawler request\r\n") == State::kBusy);
  CHECK(answers("CLIENT_ERROR lru crawler disabled\r\n") == State::kNone);
  CHECK(answers("ERROR\r\n") == State::kNone);
  CHECK(answers("BADCLASS invalid class id\r\n") == State::kNone);
  CHECK(answers("NOTSTARTED no items to crawl\r\n") == State::kWhole);
  CHECK(answers("", /*closes=*/true) == State::kFailed);
  CHECK(answers(key + key.substr(0, 20), /*closes=*/true) == State::kFailed);
  CHECK(answers("what is this?\r\n") == State::kFailed);
  CHECK(answers("key=%zz size=1\nEND\r\n") == State::kFailed);
  CHECK(answers(key + "END\r\nHD c1 f1 O9\r\n") == State::kFailed);
  CHECK(answers(std::string(100'000, 'k')) == State::kFailed);
}

TEST_CASE("a list that stops coming is given up", "[listing]") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  Counters counters;
  const NodeTimeouts timeouts{milliseconds(500), milliseconds(100)};
  const auto node = MakeMemcachedNode(TcpAddress(proxy.port()), timeouts, nullptr, &counters);
  node->StartRead(kSentinelKey, Now() + seconds(5));
  REQUIRE(node->FinishRead().status == NodeStatus::kHit);
  ProxyFaults faults;
  faults.list_answer = "key=a exp=1 la=1 cas=1 fetch=no cls=1 size=74\nkey=b";
  proxy.Set(faults);
  const auto listing = node->ListKeys();
  size_t shown = 0;
  State state = State::kUnderWay;
  while (state == State::kUnderWay) {
    state = listing->Step(milliseconds(20), [&](std::string_view, size_t) { ++shown; });
  }
  CHECK(state == State::kFailed);
  CHECK(shown == 1);
}

TEST_CASE("keys are listed over TLS", "[listing][tls]") {
  TlsAuthority authority;
  MemcachedProcess::Options options;
  options.tls = TlsAuthority::Options(authority.Issue("node"));
  MemcachedProcess server(options);
  Fill(server, "k", 20'000);
  NodeTls tls;
  tls.ca_file = authority.file();
  Lister lister(TlsAddress(server.tls_port()), {}, tls);
  CHECK(lister.RunWhenIdle() == State::kWhole);
  CHECK(lister.sizes.size() == 20'001);
}

TEST_CASE("lines of a list are read as memcached writes them", "[listing]") {
  const ListedKey key = ScanListed("key=a%2Fb%25 exp=-1 la=1 cas=2 fetch=yes cls=1 size=63");
  CHECK(key.line == ListedKey::Line::kKey);
  CHECK(key.key == "a/b%");
  CHECK(key.size == 63);
  for (const char* garbage :
       {"key=", "key= size=1", "key=a%2 size=1", "key=a%2g size=1", "key=a size=x", "", "key", "OKAY"}) {
    CHECK(ScanListed(garbage).line == ListedKey::Line::kGarbage);
  }
}

}  // namespace
