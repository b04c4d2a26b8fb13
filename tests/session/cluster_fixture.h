// Two web servers, three nodes and a clock: the small cluster that most session tests use. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_SESSION_CLUSTER_FIXTURE_H_
#define CLUSTERED_SESSION_TESTS_SESSION_CLUSTER_FIXTURE_H_

#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "src/cluster/node_code.h"
#include "src/cluster/placement.h"
#include "src/record/record.h"
#include "tests/session/web_server.h"

namespace clustered_session {

struct ClusterFixture {
  FakeClock clock;
  FakeMemcached m1{"m1", &clock};
  FakeMemcached m2{"m2", &clock};
  FakeMemcached m3{"m3", &clock};
  std::vector<FakeMemcached*> nodes{&m1, &m2, &m3};
  WebServer a{"a", nodes, &clock};
  WebServer b{"b", nodes, &clock};
  Browser browser;

  // A request that starts the session, finds `expected` and leaves `payload`. Returns its waits for nodes.
  uint64_t Serve(WebServer* server, std::string_view expected, std::string_view payload) {
    Request request(server, &browser);
    Result<std::string> read = request.Start();
    REQUIRE(read.ok());
    REQUIRE(*read == expected);
    REQUIRE(request.Finish(payload).ok());
    return request.waits();
  }
  uint64_t View(WebServer* server, std::string_view expected) { return Serve(server, expected, expected); }

  // How many nodes hold an item under any key.
  int Holders() const {
    int holders = 0;
    for (FakeMemcached* node : nodes) holders += node->items().empty() ? 0 : 1;
    return holders;
  }
  FakeMemcached* NodeInId() const {
    for (FakeMemcached* node : nodes) {
      if (NodeNamedBy(a.context().nodes->addresses(), browser.session_id) == node->name()) return node;
    }
    return nullptr;
  }
  // All nodes in the order in which they are written to for this session.
  std::vector<FakeMemcached*> Placed(const std::string& id) const {
    std::vector<FakeMemcached*> placed;
    const SessionKey key = Hash128({}, "cs:", id);
    const std::vector<NodeAddress>& addresses = a.context().nodes->addresses();
    for (uint32_t node : PlaceSession(addresses, key, NodeNamedBy(addresses, id))) {
      placed.push_back(nodes[node]);
    }
    return placed;
  }
  // What a node holds under this ID: a payload, "destroyed" or "nothing".
  static std::string HeldBy(FakeMemcached* node, const std::string& id) {
    const std::string key = StorageKey("cs:", Hash128({}, "cs:", id));
    const FakeMemcached::Item* item = node->Find(key);
    if (item == nullptr) return "nothing";
    const Result<Record> record = DecodeRecord(item->value, key);
    if (!record.ok()) return "garbage";
    return record->tombstone() ? "destroyed" : std::string(record->payload);
  }
  void PassGrace() { clock.Advance(std::chrono::seconds(61)); }
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SESSION_CLUSTER_FIXTURE_H_
