// Seeded histories of counting under lock=cluster: no count may be lost while nodes work. Layer: tests.
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/session/cluster_lock_fixture.h"

using namespace clustered_session;

namespace {

// Three servers, some requests at once, each of which counts up; servers that are killed; nodes that always work.
struct CountingHistory {
  explicit CountingHistory(uint64_t seed) : random(static_cast<uint32_t>(seed)) {
    SeedWebServers(seed + 1);
    for (size_t i = 0; i < kServers; ++i) servers.push_back(StartServer(i));
    Request first(servers[0].get(), &browser);
    if (!first.Start().ok() || !first.Finish("n|i:0;").ok()) std::abort();
  }

  std::unique_ptr<WebServer> StartServer(size_t number) {
    auto server = std::make_unique<WebServer>(std::string(1, static_cast<char>('a' + number)), nodes, &clock);
    server->context().settings.lock = LockMode::kCluster;
    server->context().settings.lock_wait = 0s;
    return server;
  }

  void Step() {
    const size_t number = random() % kServers;
    std::unique_ptr<Request>& request = requests[number];
    switch (random() % 6) {
      case 0:
        clock.Advance(std::chrono::milliseconds(random() % 4000));
        break;
      case 1:
        if (random() % 4 == 0) {  // killed: what its request held stays behind
          dead.push_back({std::move(servers[number]), std::move(request)});
          servers[number] = StartServer(number);
        }
        break;
      default:
        if (request == nullptr) {
          request = std::make_unique<Request>(servers[number].get(), &tabs[number]);
          tabs[number].session_id = browser.session_id;
          const Result<std::string> read = request->Start();
          if (read.ok()) payloads[number] = *read;
          if (read.ok() && payloads[number] != "n|i:" + std::to_string(counted) + ";") wrong = true;
          if (!read.ok()) request.reset();
          refused += read.ok() ? 0 : 1;
        } else {
          const int n = std::stoi(payloads[number].substr(4)) + 1;
          if (request->Finish("n|i:" + std::to_string(n) + ";").ok()) ++counted;
          request.reset();
        }
    }
    for (const std::unique_ptr<WebServer>& server : servers) server->RenewLocks();
  }

  static constexpr size_t kServers = 3;
  struct Dead {
    std::unique_ptr<WebServer> server;
    std::unique_ptr<Request> request;
  };
  FakeClock clock;
  FakeMemcached m1{"m1", &clock};
  FakeMemcached m2{"m2", &clock};
  std::vector<FakeMemcached*> nodes{&m1, &m2};
  std::vector<std::unique_ptr<WebServer>> servers;
  Browser browser;
  Browser tabs[kServers];
  std::vector<Dead> dead;
  std::unique_ptr<Request> requests[kServers];
  std::string payloads[kServers];
  std::mt19937 random;
  int counted = 0;
  int refused = 0;
  bool wrong = false;
};

}  // namespace

TEST_CASE("While nodes work no count is lost with lock=cluster, whichever servers are killed", "[session]") {
  int counted = 0;
  int refused = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    CountingHistory history(seed);
    for (int i = 0; i < 80 && !history.wrong; ++i) history.Step();
    INFO("seed " << seed);
    REQUIRE_FALSE(history.wrong);
    counted += history.counted;
    refused += history.refused;
  }
  CHECK(counted > 1000);
  CHECK(refused > 1000);
}
