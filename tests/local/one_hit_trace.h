// OneHitTrace: requests of a site where nine sessions in ten are used once, such as bots', and plain LRU to compare the
// store's eviction with. Layer: tests and benchmarks. The same requests in every run.
#ifndef CLUSTERED_SESSION_TESTS_LOCAL_ONE_HIT_TRACE_H_
#define CLUSTERED_SESSION_TESTS_LOCAL_ONE_HIT_TRACE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

namespace clustered_session {

class OneHitTrace {
 public:
  struct Request {
    uint64_t session = 0;
    bool returns = false;  // not the session's first request
  };

  Request Next() {
    // Of every 29 requests, 10 begin a session; one new session in ten is a visitor's, who comes back.
    if (random_() % 29 >= 10 && !visitors_.empty()) {
      auto& visitor = visitors_[random_() % visitors_.size()];
      const uint64_t session = visitor.first;
      if (--visitor.second == 1) {
        visitor = visitors_.back();
        visitors_.pop_back();
      }
      return {session, true};
    }
    const uint64_t session = ++sessions_;
    if (session % 10 == 0 || visitors_.size() < kVisitors) visitors_.emplace_back(session, kRequests);
    return {session, false};
  }

 private:
  static constexpr int kRequests = 20;       // of a visitor
  static constexpr size_t kVisitors = 1200;  // at least, at any time

  std::mt19937 random_{20261122};
  std::vector<std::pair<uint64_t, int>> visitors_;  // and the requests that are left of each
  uint64_t sessions_ = 0;
};

// Plain LRU over so many bytes.
class PlainLru {
 public:
  explicit PlainLru(size_t capacity) : capacity_(capacity) {}

  // Whether it was there; it is afterwards.
  bool Use(uint64_t number, size_t size) {
    const auto it = places_.find(number);
    const bool hit = it != places_.end();
    if (hit) {
      used_ -= it->second->second;
      order_.erase(it->second);
    }
    order_.emplace_front(number, size);
    places_[number] = order_.begin();
    used_ += size;
    while (used_ > capacity_) {
      used_ -= order_.back().second;
      places_.erase(order_.back().first);
      order_.pop_back();
    }
    return hit;
  }

 private:
  size_t capacity_;
  size_t used_ = 0;
  std::list<std::pair<uint64_t, size_t>> order_;
  std::unordered_map<uint64_t, std::list<std::pair<uint64_t, size_t>>::iterator> places_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_LOCAL_ONE_HIT_TRACE_H_
