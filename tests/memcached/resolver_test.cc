// Names within a time, whatever the system's resolver does. Mirrors src/memcached/resolver.h.
#include "src/memcached/resolver.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

constexpr Duration kShortly = milliseconds(50);

// A name server that answers when it is told to, and counts what it is asked.
struct NameServer {
  std::atomic<int> asked{0};
  std::promise<void> release;
  std::shared_future<void> released{release.get_future()};
  HostAddresses addresses{"127.0.0.1"};

  Resolver::Lookup Slow() {
    return [this](const std::string&) -> Result<HostAddresses> {
      ++asked;
      released.wait();
      return addresses;
    };
  }
  Resolver::Lookup Quick() {
    return [this](const std::string&) -> Result<HostAddresses> {
      ++asked;
      return addresses;
    };
  }
  static Resolver::Lookup Broken() {
    return [](const std::string&) -> Result<HostAddresses> {
      return Error(ErrorCode::kUnavailable, "cannot resolve its name: broken");
    };
  }
};

TEST_CASE("an address is its own, and asks nobody") {
  Resolver resolver(NameServer::Broken());
  for (const std::string host : {"127.0.0.1", "::1", "2001:db8::1"}) {
    Result<HostAddresses> found = resolver.Resolve(host, Now() + seconds(10));
    REQUIRE(found.ok());
    CHECK(*found == HostAddresses{host});
  }
}

TEST_CASE("a name is looked up each time it is asked for, and an error is one") {
  NameServer server;
  Resolver resolver(server.Quick());
  for (int i = 1; i <= 3; ++i) {
    CHECK(resolver.Resolve("m1.test", Now() + seconds(10)).ok());
    CHECK(server.asked == i);
  }
  resolver.SetLookup(NameServer::Broken());
  const Result<HostAddresses> broken = resolver.Resolve("m1.test", Now() + seconds(10));
  REQUIRE_FALSE(broken.ok());
  CHECK(broken.error().message() == "cannot resolve its name: broken");
}

TEST_CASE("a name server that keeps silent is waited for until the deadline, by one thread for all who ask",
          "[threads]") {
  auto server = std::make_shared<NameServer>();
  static auto* const resolver = new Resolver(server->Slow());  // its thread may outlast the test; static: no leak
  for (int i = 0; i < 5; ++i) {
    const Result<HostAddresses> found = resolver->Resolve("m1.test", Now() + kShortly);
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code() == ErrorCode::kTimeout);
  }
  CHECK_FALSE(resolver->Resolve("m2.test", Now() + kShortly).ok());
  CHECK(server->asked == 2);
  std::vector<std::thread> waiting;
  std::atomic<int> answered{0};
  for (int i = 0; i < 4; ++i) {
    waiting.emplace_back([&] { answered += resolver->Resolve("m1.test", Now() + seconds(20)).ok() ? 1 : 0; });
  }
  server->release.set_value();
  for (std::thread& thread : waiting) thread.join();
  CHECK(answered == 4);
  CHECK(resolver->Resolve("m2.test", Now() + seconds(20)).ok());  // what came too late for its asker is the next one's
  CHECK(server->asked >= 2);
}

TEST_CASE("a child made by fork asks for itself, also while its parent waits for an answer") {
  NameServer server;
  const AsksFor slow(server.Slow());
  CHECK_FALSE(Resolver::OfProcess().Resolve("m1.test", Now() + kShortly).ok());
  ChildProcess child([] {
    NameServer own;
    const AsksFor quick(own.Quick());
    return Resolver::OfProcess().Resolve("m1.test", Now() + seconds(20)).ok() ? 0 : 1;
  });
  CHECK(child.Wait().code == 0);
  server.release.set_value();
  CHECK(Resolver::OfProcess().Resolve("m1.test", Now() + seconds(20)).ok());
}

TEST_CASE("an address that was reached is kept for all workers, and half of one is none") {
  NodeHealth health{};
  CHECK(KeptAddress(health).empty());
  for (const std::string address : {"127.0.0.1", "0.0.0.0", "255.255.255.255", "::1", "::", "2001:db8::ff00:42:8329"}) {
    KeepAddress(&health, address);
    CHECK(KeptAddress(health) == address);
  }
  KeepAddress(&health, "not an address");
  CHECK(KeptAddress(health) == "2001:db8::ff00:42:8329");
  health.address[1].store(7);  // another worker is in the middle of it
  CHECK(KeptAddress(health).empty());
}

TEST_CASE("a node is reached at its last address while its name cannot be resolved, also by a new worker") {
  MemcachedProcess memcached;
  NodeHealth health{};
  auto server = std::make_shared<NameServer>();
  const NodeTimeouts timeouts{seconds(2), seconds(5)};
  {
    const AsksFor quick(server->Quick());
    TestNode first(TcpAddress(memcached.port(), "m1.test"), timeouts, &health);
    REQUIRE(first.Write("k", "v").status == NodeStatus::kStored);
  }
  SECTION("the name server says no") {
    const AsksFor broken(NameServer::Broken());
    TestNode second(TcpAddress(memcached.port(), "m1.test"), timeouts, &health);
    CHECK(second.Read("k").value == "v");
    NodeHealth unknown{};
    TestNode other(TcpAddress(memcached.port(), "m1.test"), timeouts, &unknown);
    CHECK(other.Read("k").error.find("cannot resolve its name: broken") != std::string::npos);
  }
  SECTION("the name server keeps silent") {
    const AsksFor slow(server->Slow());
    TestNode second(TcpAddress(memcached.port(), "m1.test"), {milliseconds(200), seconds(5)}, &health);
    CHECK(second.Read("k").value == "v");
    NodeHealth unknown{};
    TestNode other(TcpAddress(memcached.port(), "m1.test"), {milliseconds(200), seconds(5)}, &unknown);
    CHECK(other.Read("k").error.find("cannot resolve its name: no answer") != std::string::npos);
    server->release.set_value();
    CHECK(Resolver::OfProcess().Resolve("m1.test", Now() + seconds(20)).ok());
  }
  SECTION("the name moves to another address") {
    server->addresses = {"127.0.0.2", "127.0.0.1"};
    const AsksFor quick(server->Quick());
    TestNode second(TcpAddress(memcached.port(), "m1.test"), timeouts, &health);
    CHECK(second.Read("k").value == "v");
    CHECK(KeptAddress(health) == "127.0.0.1");
  }
}

TEST_CASE("a silent name server gets no more than a part of the time in which a node is reached at its last address") {
  MemcachedProcess memcached;
  const NodeAddress address = TcpAddress(memcached.port(), "m1.test");
  const NodeTimeouts timeouts{seconds(4), seconds(5)};
  NodeHealth health{};
  KeepAddress(&health, "127.0.0.1");
  auto server = std::make_shared<NameServer>();
  const AsksFor slow(server->Slow());
  // Side by side with a node that nobody has reached yet, and which was asked before.
  NodeHealth unknown{};
  TestNode never_reached(address, timeouts, &unknown);
  std::atomic<bool> given_up{false};
  std::thread other([&] {
    CHECK_FALSE(never_reached.Read("k").error.empty());
    given_up = true;
  });
  CHECK(WaitUntil([&] { return server->asked == 1; }));
  TestNode reached(address, timeouts, &health);
  CHECK(reached.Read("k").status == NodeStatus::kMiss);
  CHECK_FALSE(given_up);
  other.join();
  server->release.set_value();
  CHECK(Resolver::OfProcess().Resolve("m1.test", Now() + seconds(20)).ok());
}

}  // namespace
}  // namespace clustered_session
