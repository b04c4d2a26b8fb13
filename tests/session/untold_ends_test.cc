// Ends of sessions that the old handler could not be told of: kept until they are taken, each once. Layer: tests.
#include "src/session/untold_ends.h"

#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace clustered_session;

TEST_CASE("An untold end is kept until it is taken, for its handler only", "[migration]") {
  auto ends = std::make_unique<UntoldEnds>();
  CHECK(ends->Take(1).empty());
  const std::string longest(UntoldEnds::kIdMax, 'x');
  CHECK(ends->Add(1, "abc"));
  CHECK(ends->Add(2, longest));
  CHECK_FALSE(ends->Add(1, longest + "x"));
  CHECK_FALSE(ends->Add(1, ""));
  CHECK(ends->Take(2) == longest);
  CHECK(ends->Take(2).empty());
  CHECK(ends->Take(1) == "abc");
  CHECK(ends->Take(1).empty());
}

TEST_CASE("An ID that has another session now is not ended by the end of the one before", "[migration]") {
  auto ends = std::make_unique<UntoldEnds>();
  CHECK(ends->Add(1, "abc"));
  CHECK(ends->Add(1, "def"));
  ends->Remove(2, "abc");
  ends->Remove(1, "abc");
  CHECK(ends->Take(1) == "def");
  CHECK(ends->Take(1).empty());
}

TEST_CASE("Untold ends that have no room are refused, and there is room again when some are taken", "[migration]") {
  auto ends = std::make_unique<UntoldEnds>();
  for (size_t i = 0; i < UntoldEnds::kPlaces; ++i) CHECK(ends->Add(1, std::to_string(i)));
  CHECK_FALSE(ends->Add(1, "more"));
  CHECK_FALSE(ends->Take(1).empty());
  CHECK(ends->Add(1, "more"));
}

TEST_CASE("Threads that add and take untold ends lose none and take none twice", "[migration][threads]") {
  auto ends = std::make_unique<UntoldEnds>();
  constexpr int kThreads = 3;
  constexpr int kEach = 80;
  std::vector<std::vector<std::string>> taken(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        ends->Add(1, std::to_string(t) + "-" + std::to_string(i));
        if (const std::string id = ends->Take(1); !id.empty()) taken[t].push_back(id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::multiset<std::string> all;
  for (const std::vector<std::string>& each : taken) all.insert(each.begin(), each.end());
  for (std::string id = ends->Take(1); !id.empty(); id = ends->Take(1)) all.insert(id);
  CHECK(all.size() == kThreads * kEach);
  CHECK(std::set<std::string>(all.begin(), all.end()).size() == all.size());
}
