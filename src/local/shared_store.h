// SharedStore: the LocalStore in shared memory. Layer: local; made by LocalStore::Create, seen by name only in local
// and its tests.
//
// Mutexes, always taken in this order: one shard's, then its arena's. When an owner dies, whoever comes next takes back
// what the dead one had not committed (undo_log.h) and frees the blocks that were no entry's: a bounded number of
// steps, whatever the number of entries, and no other shard waits.
//
// A wrong byte is another matter: whoever meets one sets `needs_repair`, and from then on nobody goes on with shared
// memory before somebody has repaired it. The repair takes its own mutex, then all shards', then all arenas', and
// rebuilds everything from the entries that are whole. An operation that meets `needs_repair` half way undoes nothing:
// what it took and did not link belongs to no entry, so the repair frees it.
#ifndef CLUSTERED_SESSION_LOCAL_SHARED_STORE_H_
#define CLUSTERED_SESSION_LOCAL_SHARED_STORE_H_

#include <memory>
#include <string>

#include "src/local/local_store.h"
#include "src/local/segment.h"
#include "src/local/shard_table.h"

namespace clustered_session {

class SharedStore final : public LocalStore {
 public:
  SharedStore(const Segment& segment, uint64_t seed);
  ~SharedStore() override;
  SharedStore(const SharedStore&) = delete;
  SharedStore& operator=(const SharedStore&) = delete;

  LookupResult Lookup(const SessionKey& key, TimePoint now, Entry* entry, std::string* payload) override {
    return LookupIf({}, key, now, entry, payload);
  }
  LookupResult Peek(const SessionKey& key, TimePoint now, Entry* entry, std::string* payload) override {
    return LookupIf({.counts = false}, key, now, entry, payload);
  }
  LookupResult LookupOver(const SessionKey& key, TimePoint now, Entry* entry, std::string* payload) override {
    return LookupIf({.over = true}, key, now, entry, payload);
  }
  Status Put(const SessionKey& key, const Entry& entry, std::string_view payload, TimePoint now) override;
  bool Update(const SessionKey& key, const Entry& expected, std::string_view begins, const Entry& entry) override;
  bool Erase(const SessionKey& key) override;
  std::vector<Unreplicated> ListUnreplicated(size_t limit) override;
  std::bitset<256> PoolsInUse() override;
  bool Walk(WalkPosition* position, size_t limit, std::vector<Walked>* found) override;
  size_t UnreplicatedCount() const override;
  size_t RemoveExpired(TimePoint now, size_t limit) override;
  size_t PayloadMax() const override;
  Usage GetUsage() const override;
  size_t HugeMemory() const override;
  Counters& counters() override { return segment_.header()->counters; }
  SessionLocks& locks() override { return *locks_; }
  uint64_t instance() const override { return instance_; }
  uint64_t NextNumber() override { return segment_.header()->last_number.fetch_add(1, std::memory_order_relaxed) + 1; }
  void* Extra() override { return segment_.base + segment_.geometry.extra; }

  // A sentence about the first thing that is wrong, or empty. Holds all mutexes for long: for tests.
  std::string CheckInvariants();

  // Makes a new segment usable. REQUIRES: nobody else sees it yet, and it is as MapSegment() left it.
  void MakeEmpty() const;

  // After a wrong byte: rebuilds everything from the entries that are whole. False: a mutex cannot be had.
  bool Repair() const;

  const Segment& segment() const { return segment_; }

 private:
  class ShardLock;
  class ArenaLock;
  class AllLocks;

  enum class Step : uint8_t {
    kDone,
    kMiss,    // not there
    kRetry,   // something was wrong and has to be repaired: once more from the start
    kNoRoom,  // nothing changed
    kFailed,  // a mutex cannot be had
  };

  struct PutArguments {
    const SessionKey& key;
    uint64_t hash;
    const Entry& entry;
    std::string_view payload;
    uint32_t payload_sum;
    size_t piece_bytes_min;  // of its payload, if that has to be in pieces
  };
  struct CopyBuffer;

  uint64_t HashOf(const SessionKey& key) const { return ShardTable::HashOf(key, seed_); }
  uint32_t ShardOf(uint64_t hash) const { return static_cast<uint32_t>(hash) & (segment_.geometry.shard_count - 1); }
  Arena ArenaFor(uint32_t shard) const { return segment_.arena(segment_.ArenaOf(shard)); }
  ShardTable Table(uint32_t shard) const { return ShardTable(segment_, shard, seed_); }
  uint32_t PayloadSum(uint64_t hash, std::string_view bytes) const;
  bool NeedsRepair() const { return segment_.header()->needs_repair.load(std::memory_order_acquire) != 0; }
  void SetNeedsRepair() const { segment_.header()->needs_repair.store(1, std::memory_order_release); }

  struct LookupKind {
    bool over = false;   // of a session that is over
    bool counts = true;  // as a use
  };
  LookupResult LookupIf(LookupKind kind, const SessionKey& key, TimePoint now, Entry* entry, std::string* payload);

  // For each, REQUIRES: the mutex of `table`'s shard.
  Step LookupLocked(LookupKind kind, const SessionKey& key, uint64_t hash, TimePoint now, Entry* entry,
                    CopyBuffer* buffer);
  Step PutLocked(const PutArguments& put);
  Step TakeBlocks(uint32_t shard, size_t payload_size, size_t piece_bytes_min, bool needs_head);
  bool PayloadBegins(uint32_t shard, const EntryHead& head, std::string_view begins) const;
  bool RemoveEntry(uint32_t shard, ShardTable* table, uint32_t offset);
  void FreePending(uint32_t shard) const;
  void Recover(uint32_t shard) const;

  void RemoveCorrupt(const SessionKey& key, uint64_t hash, uint32_t head_sum);
  uint64_t EvictFrom(uint32_t shard, uint64_t units, TimePoint now);
  struct Sweep;
  void SweepExpired(uint32_t shard, TimePoint now, Sweep* sweep);
  uint64_t MakeRoomFromExpired(uint32_t arena, uint64_t units, TimePoint now);
  uint64_t MakeRoomFrom(uint32_t arena, bool local_only, uint64_t units, TimePoint now);
  bool MakeRoom(uint32_t arena, uint64_t units, TimePoint now);

  // In store_repair.cc. REQUIRES: all mutexes.
  void Rebuild() const;
  bool RebuildChains(bool verify_payloads) const;
  bool RebuildChain(ShardTable* table, uint32_t shard, uint32_t bucket, bool verify_payloads) const;
  bool ClaimEntry(uint32_t shard, uint32_t offset, bool verify_payload) const;
  void RebuildArena(uint32_t arena) const;
  void RebuildQueues() const;

  // In store_check.cc. REQUIRES: all mutexes.
  std::string CheckShard(uint32_t shard, uint64_t* units) const;

  const Segment segment_;
  const uint64_t seed_;  // secret, in no shared memory
  const uint64_t instance_;
  std::unique_ptr<SessionLocks> locks_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_SHARED_STORE_H_
