// RepairThread: the thread of one server, step by step. RepairedCluster: users of a cluster whose sessions a background
// thread brings back. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_SESSION_REPAIRED_CLUSTER_H_
#define CLUSTERED_SESSION_TESTS_SESSION_REPAIRED_CLUSTER_H_

#include <algorithm>
#include <string_view>
#include <vector>

#include "src/session/repairer.h"
#include "tests/session/cluster_fixture.h"

namespace clustered_session {

// The thread of a server.
struct RepairThread {
  RepairThread(WebServer* web_server, uint32_t rate_ = 2000)
      : server(web_server),
        rate(rate_),
        repairer(
            &server->store(), server->context().clock, [this](uint8_t) { return Borrow(server->context()); },
            [] { return std::vector<uint8_t>{1}; }, rate) {}

  WebServer* server;
  uint32_t rate;
  Repairer repairer;
};

struct RepairedCluster : ClusterFixture {
  std::vector<Browser> Login(WebServer* server, size_t count, std::string_view payload = "n|i:1;") {
    std::vector<Browser> browsers(count);
    for (Browser& each : browsers) {
      browser = Browser();
      Serve(server, "", payload);
      each = browser;
    }
    return browsers;
  }
  void Logout(WebServer* server, Browser* who) {
    Request request(server, who);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  // On how many nodes a session is as it should be.
  int On(const Browser& who, std::string_view what) const {
    return static_cast<int>(std::count_if(nodes.begin(), nodes.end(),
                                          [&](FakeMemcached* node) { return HeldBy(node, who.session_id) == what; }));
  }
  bool AllOn(const std::vector<Browser>& browsers, int count, std::string_view what) const {
    return std::all_of(browsers.begin(), browsers.end(), [&](const Browser& each) { return On(each, what) == count; });
  }
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SESSION_REPAIRED_CLUSTER_H_
