// LocalStore: this server's copies of sessions, in shared memory for all its workers. Layer: local.
// Created once in the parent process before the workers are forked; usable by every process and thread after.
// No call blocks on I/O; a mutex is held for microseconds, never over an allocation of the caller's or an engine call.
// A worker that dies in the middle of a call leaves a shard that the next caller repairs: no hang, no torn payload.
#ifndef CLUSTERED_SESSION_LOCAL_LOCAL_STORE_H_
#define CLUSTERED_SESSION_LOCAL_LOCAL_STORE_H_

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/clock.h"
#include "src/base/counters.h"
#include "src/base/result.h"
#include "src/base/session_key.h"
#include "src/local/entry.h"

namespace clustered_session {

class SessionLocks;

// What a lookup found. True if the entry is here. An unknown one is no miss: its part of the store could not be looked
// at, because a worker that was stopped holds it, or a repair did not end.
class LookupResult {
 public:
  enum Outcome : uint8_t { kMissing, kFound, kUnknown };

  LookupResult(Outcome outcome) : outcome_(outcome) {}
  operator bool() const { return outcome_ == kFound; }
  bool unknown() const { return outcome_ == kUnknown; }

 private:
  Outcome outcome_;
};

class LocalStore {
 public:
  static constexpr size_t kMemoryMin = 1u << 20;  // bytes
  static constexpr uint64_t kMemoryMax = uint64_t{16} << 40;

  // What the status shows; a snapshot without a common lock.
  struct Usage {
    size_t memory = 0;          // bytes of the whole segment
    size_t payload_memory = 0;  // bytes of it that can hold entries: payloads, and 128 bytes beside each
    size_t payload_used = 0;    // bytes of it that do, with their rounding
    size_t entries = 0;
    size_t entries_max = 0;
    size_t unreplicated = 0;  // entries that must not be evicted
    uint32_t busy_parts = 0;  // parts of the store that others held all the time: payload_used lacks theirs
  };

  // Maps an anonymous shared segment of `memory` bytes, `shared_extra` of which (64-byte aligned, zeroed) are the
  // caller's own: see Extra(). Opens no file and no descriptor. `instance` is for tests that have to happen the same
  // way again; 0 = what is random is random. Errors: kInvalidArgument (memory < kMemoryMin, too small for
  // shared_extra, or > kMemoryMax), kNoMemory (mmap failed).
  static Result<std::unique_ptr<LocalStore>> Create(size_t memory, size_t shared_extra, uint64_t instance = 0);
  virtual ~LocalStore() = default;

  // The entry of `key` and its payload, if it is here and its session is not over. Counts as a use for the eviction
  // order.
  // `payload` may be null; if the entry is not found it is not to be read. One that is as long already is copied into
  // directly, so keep it from call to call. A payload whose checksum fails is a miss and is removed.
  virtual LookupResult Lookup(const SessionKey& key, TimePoint now, Entry* entry, std::string* payload) = 0;

  // As Lookup, but no use: the eviction order stays. For what looks at entries that nobody has asked for.
  virtual LookupResult Peek(const SessionKey& key, TimePoint now, Entry* entry, std::string* payload) = 0;

  // As Lookup, of a session that is over: its end is remembered until nodes_expire_at_ns, unless memory runs short.
  virtual LookupResult LookupOver(const SessionKey& key, TimePoint now, Entry* entry, std::string* payload) = 0;

  // Inserts or replaces. On kTooLarge (over PayloadMax()) and kNoMemory (everything else is unreplicated) an older
  // entry of the key has been removed, so that a stale one is never served. kTimeout: a worker that was stopped (not
  // killed) holds a mutex; nothing changed.
  virtual Status Put(const SessionKey& key, const Entry& entry, std::string_view payload, TimePoint now) = 0;

  // Replaces the entry but keeps the payload, if the stored version and epoch are still `expected`'s, and so is whether
  // it is a tombstone, and the payload begins with `begins`: two entries of a key may have one version, if one was
  // evicted before the other was made. False: nothing changed.
  virtual bool Update(const SessionKey& key, const Entry& expected, std::string_view begins, const Entry& entry) = 0;

  // Removes; false if it was not there.
  virtual bool Erase(const SessionKey& key) = 0;

  // Up to `limit` unreplicated entries: those that were written or listed longest ago in their part of the store. They
  // are listed again only after the others, so that one that no node takes keeps nobody waiting.
  struct Unreplicated {
    SessionKey key;
    uint8_t pool = 0;
  };
  virtual std::vector<Unreplicated> ListUnreplicated(size_t limit) = 0;
  // Which values of Entry::pool unreplicated entries have: a set bit each; all bits where that cannot be told. Looks at
  // each of them.
  virtual std::bitset<256> PoolsInUse() = 0;
  virtual size_t UnreplicatedCount() const = 0;  // without a lock: may be off by what others do just now

  // Where a walk through all entries is. A new one is at the beginning.
  struct WalkPosition {
    uint32_t shard = 0;
    uint32_t bucket = 0;
  };
  struct Walked {
    SessionKey key;
    Entry entry;
  };
  // Appends some of the entries that follow *position to *found, which are few more than `limit`, and moves *position.
  // False: the end. Of what is put or removed during a walk, it may meet each or not; the rest it meets once. A mutex
  // is held for a bounded part only. Counts as no use.
  virtual bool Walk(WalkPosition* position, size_t limit, std::vector<Walked>* found) = 0;

  // Removes up to `limit` entries of sessions that are over and need not be remembered; returns how many. Looks where
  // something is due and nowhere else, and in vain at `limit` places at most.
  virtual size_t RemoveExpired(TimePoint now, size_t limit) = 0;

  virtual size_t PayloadMax() const = 0;  // bytes: a quarter of the payload memory, at most 1 GiB
  // Waits for parts that others hold for kUsageWait in all.
  static constexpr Duration kUsageWait = std::chrono::milliseconds(100);
  virtual Usage GetUsage() const = 0;
  virtual size_t HugeMemory() const = 0;  // bytes that this process has in huge pages; takes the system milliseconds

  virtual Counters& counters() = 0;
  virtual SessionLocks& locks() = 0;

  // The random number of this server between two starts, made with the segment; never 0.
  virtual uint64_t instance() const = 0;

  // 1, 2, 3, ...: no two workers are given the same one.
  virtual uint64_t NextNumber() = 0;

  // The caller's own shared memory (node health): `shared_extra` zeroed bytes.
  virtual void* Extra() = 0;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_LOCAL_STORE_H_
