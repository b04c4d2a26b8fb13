// What the tests of local/ have in common: keys, entries, a small store. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_LOCAL_STORE_FIXTURE_H_
#define CLUSTERED_SESSION_TESTS_LOCAL_STORE_FIXTURE_H_

#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>

#include "src/local/session_locks.h"
#include "src/local/shared_session_locks.h"
#include "src/local/shared_store.h"

namespace clustered_session {

inline SessionKey KeyOf(uint64_t number) {
  SessionKey key;
  std::memcpy(key.bytes.data(), &number, sizeof number);
  key.bytes[15] = 0x5e;
  return key;
}

// Bytes that tell whose and which version they are, of any size.
inline std::string PayloadOf(uint64_t number, uint64_t version, size_t size) {
  std::string payload(size, '\0');
  uint64_t state = number * 0x9e3779b97f4a7c15u + version + 1;
  for (char& byte : payload) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state);
  }
  return payload;
}

inline TimePoint At(int64_t seconds) { return TimePoint(std::chrono::seconds(seconds)); }
inline TimePoint FromNow(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

inline Entry EntryOf(uint64_t version, TimePoint expires_at, uint32_t flags = 0) {
  Entry entry;
  entry.version = version;
  entry.epoch = 1;
  entry.flags = flags;
  entry.expires_at_ns = ToNanos(expires_at);
  return entry;
}

struct StoreFixture {
  explicit StoreFixture(size_t memory = LocalStore::kMemoryMin, size_t extra = 0) {
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(memory, extra);
    REQUIRE(made.ok());
    owner = std::move(made.value());
    store = static_cast<SharedStore*>(owner.get());
    locks = static_cast<SharedSessionLocks*>(&store->locks());
  }

  bool Put(uint64_t number, size_t size, uint32_t flags = 0, uint64_t version = 1) {
    return store->Put(KeyOf(number), EntryOf(version, expiry, flags), PayloadOf(number, version, size), now).ok();
  }
  bool Has(uint64_t number) { return store->Lookup(KeyOf(number), now, nullptr, nullptr); }

  std::unique_ptr<LocalStore> owner;
  SharedStore* store;
  SharedSessionLocks* locks;
  TimePoint now = At(1000);
  TimePoint expiry = At(1000000);
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_LOCAL_STORE_FIXTURE_H_
