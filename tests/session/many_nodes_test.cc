// No request costs more because there are more nodes (G10): operations on nodes, counted. Layer: tests.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "src/session/session_address.h"
#include "tests/session/web_server.h"

using namespace clustered_session;

namespace {

// Two servers and so many nodes.
struct Cluster {
  explicit Cluster(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      made.push_back(std::make_unique<FakeMemcached>("m" + std::to_string(i + 1), &clock));
      nodes.push_back(made.back().get());
    }
    a = std::make_unique<WebServer>("a", nodes, &clock);
    b = std::make_unique<WebServer>("b", nodes, &clock);
  }

  uint64_t Operations() const {
    uint64_t operations = 0;
    for (size_t i = 0; i < nodes.size(); ++i) operations += a->connection(i).asked() + b->connection(i).asked();
    return operations;
  }
  uint64_t Payloads() const {
    uint64_t payloads = 0;
    for (const FakeMemcached* node : nodes) payloads += node->values_shown;
    return payloads;
  }
  void Serve(WebServer* server, std::string_view payload) {
    Request request(server, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE((payload.empty() ? request.FinishUnchanged() : request.Finish(payload)).ok());
  }

  FakeClock clock;
  std::vector<std::unique_ptr<FakeMemcached>> made;
  std::vector<FakeMemcached*> nodes;
  std::unique_ptr<WebServer> a;
  std::unique_ptr<WebServer> b;
  Browser browser;
};

// What each kind of request has asked of nodes, one after the other.
std::vector<uint64_t> Counts(size_t nodes) {
  Cluster cluster(nodes);
  std::vector<uint64_t> counts;
  uint64_t before = 0;
  const auto count = [&] { counts.push_back(cluster.Operations() - std::exchange(before, cluster.Operations())); };
  cluster.Serve(cluster.a.get(), "n|i:1;");
  count();
  cluster.Serve(cluster.a.get(), "n|i:2;");
  count();
  cluster.clock.Advance(std::chrono::seconds(11));
  cluster.Serve(cluster.a.get(), {});  // validated
  count();
  const uint64_t payloads = cluster.Payloads();
  cluster.Serve(cluster.b.get(), {});  // taken over
  count();
  CHECK(cluster.Payloads() == payloads + 1);
  {
    Request login(cluster.b.get(), &cluster.browser);
    REQUIRE(login.Start().ok());
    REQUIRE(login.Regenerate(/*destroy=*/true, "n|i:3;", [] {}).ok());
    REQUIRE(login.Finish("n|i:3;").ok());
  }
  count();
  {
    Request logout(cluster.b.get(), &cluster.browser);
    REQUIRE(logout.Start().ok());
    REQUIRE(logout.Destroy().ok());
  }
  count();
  cluster.browser = Browser{std::string(32, 'f'), {}};
  cluster.Serve(cluster.a.get(), {});  // unknown
  count();
  return counts;
}

}  // namespace

TEST_CASE("A request asks as many nodes where there are 64 as where there are 4", "[session]") {
  const std::vector<uint64_t> of_four = Counts(4);
  const uint64_t most = PlacedNodes(SessionSettings().copies);
  // First write, change, validation; takeover, its write and its news; old session, new one, its end and its news;
  // logout and its news; unknown ID. News have no answer.
  CHECK(of_four == std::vector<uint64_t>{2, 2, 3, most + 2 + 2, 3 + 2 + most + most, most + most, most});
  for (const size_t nodes : {16, 64}) CHECK(Counts(nodes) == of_four);
  for (const size_t nodes : {1, 2}) {
    const std::vector<uint64_t> counts = Counts(nodes);
    for (size_t i = 0; i < counts.size(); ++i) CHECK(counts[i] <= of_four[i]);
  }
}
