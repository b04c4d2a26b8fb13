// Requests of one session that are not sticky and overlap, on two servers in turn. Layer: tests.
#include <catch2/catch.hpp>
#include <deque>
#include <memory>
#include <random>
#include <set>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

using Keys = std::set<int>;

std::string PayloadOf(const Keys& keys) {
  std::string payload;
  for (const int key : keys) payload += "k" + std::to_string(key) + "|i:1;";
  return payload;
}

// The merge keeps each side's order, so what is read is compared as a set.
Keys KeysOf(const std::string& payload) {
  Keys keys;
  for (size_t at = 0; (at = payload.find('k', at)) != std::string::npos; ++at) {
    keys.insert(std::stoi(payload.substr(at + 1)));
  }
  return keys;
}

// A request that is under way: the one key that it is going to add or to remove.
struct UnderWay {
  std::unique_ptr<Request> request;
  Keys keys;
  int key = 0;
};

}  // namespace

TEST_CASE_METHOD(ClusterFixture,
                 "Of overlapped requests on two servers in turn each sees what was saved, and none undoes it",
                 "[session]") {
  constexpr int kRequests = 20;
  constexpr int kKeys = 12;
  const auto seed = static_cast<uint32_t>(GENERATE(range(1, 41)));
  std::mt19937 random(seed);
  WebServer* const servers[] = {&a, &b};
  Keys saved = {0, 1, 2, 3};
  Serve(&a, "", PayloadOf(saved));

  std::deque<UnderWay> under_way;
  int stale = 0;
  int removed = 0;
  const auto finish_oldest = [&] {
    UnderWay oldest = std::move(under_way.front());
    under_way.pop_front();
    if (oldest.keys.erase(oldest.key) == 0) oldest.keys.insert(oldest.key);
    if (saved.erase(oldest.key) != 0) {
      ++removed;
    } else {
      saved.insert(oldest.key);
    }
    REQUIRE(oldest.request->Finish(PayloadOf(oldest.keys)).ok());
  };
  for (int i = 0; i < kRequests; ++i) {
    clock.Advance(std::chrono::milliseconds(random() % 3000));
    UnderWay next;
    next.request = std::make_unique<Request>(servers[i % 2], &browser);
    const Result<std::string> read = next.request->Start();
    REQUIRE(read.ok());
    next.keys = KeysOf(*read);
    stale += next.keys == saved ? 0 : 1;
    // The two that are under way at once change different keys: else one of them had to win.
    next.key = static_cast<int>(random() % (kKeys / 2)) * 2 + i % 2;
    under_way.push_back(std::move(next));
    if (under_way.size() == 2) finish_oldest();
  }
  while (!under_way.empty()) finish_oldest();

  CHECK(stale == 0);
  CHECK(removed > 0);
  for (WebServer* server : servers) {
    Request request(server, &browser);
    CHECK(KeysOf(request.Start().value()) == saved);
  }
  CHECK(a.counters().merge_collisions.Get() + b.counters().merge_collisions.Get() == 0);
  CHECK(a.counters().merges.Get() + b.counters().merges.Get() > 0);
}
