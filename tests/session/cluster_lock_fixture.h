// Two servers that take turns with lock=cluster, a session that both know, and a look at its lock. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_SESSION_CLUSTER_LOCK_FIXTURE_H_
#define CLUSTERED_SESSION_TESTS_SESSION_CLUSTER_LOCK_FIXTURE_H_

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "src/session/cluster_lock.h"
#include "tests/session/cluster_fixture.h"

namespace clustered_session {

using namespace std::chrono_literals;

struct ClusterLockFixture : ClusterFixture {
  ClusterLockFixture() {
    for (WebServer* server : {&a, &b}) server->context().settings.lock = LockMode::kCluster;
    Serve(&a, "", "n|i:1;");
    tab = browser;
  }

  // Where a lock is, or null; REQUIRES: no more than one.
  FakeMemcached* LockNode(std::string* holder = nullptr) {
    FakeMemcached* found = nullptr;
    for (FakeMemcached* node : nodes) {
      for (const auto& [key, item] : std::map<std::string, FakeMemcached::Item>(node->items())) {
        if (!key.ends_with(":lock") || node->Find(key) == nullptr) continue;
        REQUIRE(found == nullptr);
        found = node;
        if (holder != nullptr) *holder = item.value;
      }
    }
    return found;
  }
  std::string Holder() {
    std::string text;
    LockNode(&text);
    const std::optional<LockHolder> holder = LockHolder::Parse(text);
    return holder ? holder->server_id : "";
  }
  size_t IndexOf(const FakeMemcached* node) const {
    return static_cast<size_t>(std::find(nodes.begin(), nodes.end(), node) - nodes.begin());
  }
  // As a worker that is killed: nothing is written, nothing given back, its session lock is free.
  void DieInRequest(WebServer* server) {
    std::thread([&] {
      auto* dies = new Request(server, &browser);
      if (!dies->Start().ok()) std::abort();
      dead.emplace_back(dies);
    }).join();
  }
  // A request of server a that has the session for longer than it renews, while b serves one.
  std::unique_ptr<Request> Overtaken(std::string_view written_by_b) {
    auto slow = std::make_unique<Request>(&a, &browser);
    REQUIRE(slow->Start().ok());
    clock.Advance(16s);
    Serve(&b, "n|i:1;", written_by_b, &tab);
    return slow;
  }
  void Serve(WebServer* server, std::string_view expected, std::string_view payload, Browser* who) {
    Request request(server, who);
    Result<std::string> read = request.Start();
    REQUIRE(read.ok());
    REQUIRE(*read == expected);
    REQUIRE(request.Finish(payload).ok());
  }
  using ClusterFixture::Serve;

  Browser tab;                                 // another one of the same session
  std::vector<std::unique_ptr<Request>> dead;  // freed with their locks long gone
};

#define CLUSTER_LOCK_TEST(name) TEST_CASE_METHOD(ClusterLockFixture, name, "[session]")

inline bool Logged(const Request& request, const std::string& text) {
  return std::any_of(request.notices().begin(), request.notices().end(),
                     [&](const Notice& notice) { return notice.text.find(text) != std::string::npos; });
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SESSION_CLUSTER_LOCK_FIXTURE_H_
