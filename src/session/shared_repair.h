// SharedRepair: what a server knows of its nodes' memories and of what they lack, in shared memory, so that any worker
// goes on where the one died that repaired. Layer: session. Lock-free; zeroed = nothing is known. The thread that has
// the seat of a pool's credentials writes it; the status reads it. See docs/protocol.md, 'Repair'.
#ifndef CLUSTERED_SESSION_SESSION_SHARED_REPAIR_H_
#define CLUSTERED_SESSION_SESSION_SHARED_REPAIR_H_

#include <atomic>
#include <cstdint>

#include "src/base/clock.h"

namespace clustered_session {

// A node as a pool sees it.
struct NodeMemory {
  std::atomic<uint64_t> key;            // of pool and node; 0 = free
  std::atomic<int64_t> used_at_ns;      // when it was looked at last
  std::atomic<uint64_t> name;           // of its sentinel: names the node's memory; 0 = it never answered
  std::atomic<uint32_t> incarnation;    // of the node process, as its tokens name it
  std::atomic<uint32_t> answers;        // at the last look
  std::atomic<int64_t> since_ns;        // when this sentinel was seen first
  std::atomic<int64_t> emptied_at_ns;   // when the same process was found to have lost its memory; 0 = never
  std::atomic<int64_t> copies_missing;  // entries of this server that the node lacks, as far as they were counted
  std::atomic<int64_t> tombstones_missing;
  std::atomic<uint64_t> filled;  // the memory, by its name, that has got back what no server holds; see refiller.h

  // What the node has told of its memory, see room_watch.h.
  enum : uint32_t { kNotAsked = 0, kTold = 1, kRefused = 2 };
  std::atomic<uint32_t> room;
  std::atomic<uint64_t> room_bytes;
  std::atomic<uint64_t> room_limit;      // bytes
  std::atomic<uint64_t> evictions;       // by its own count
  std::atomic<uint64_t> evictions_seen;  // of these, those since this server looked first; or what a sample has shown
  std::atomic<int64_t> refused_at_ns;    // with kRefused
  std::atomic<uint32_t> lists;           // likewise: whether the node lists its keys
};

// A pool whose entries are watched.
struct RepairView {
  std::atomic<uint64_t> pool_hash;
  // Whether there may be entries that nodes should hold. Who stores one sets kYes; a walk asks by kPerhaps whether
  // anybody does so meanwhile.
  enum : uint32_t { kNo = 0, kYes = 1, kPerhaps = 2 };
  std::atomic<uint32_t> watched;
  std::atomic<uint32_t> due;          // counts what has come up that a walk has to look for
  std::atomic<uint32_t> walked;       // `due` when the last walk began that has done all it could
  std::atomic<int64_t> looked_at_ns;  // at the nodes
  std::atomic<int64_t> since_ns;      // when the pool became whole, or ceased to be
  std::atomic<uint32_t> whole;
  std::atomic<uint64_t> copies;      // written for no request
  std::atomic<uint64_t> tombstones;  // likewise
  std::atomic<uint64_t> gone_ids;    // IDs of our own making that nothing is known of, while no node was seen to evict
  std::atomic<uint64_t> evict_told;  // what the log was told of last, plus one; 0 = nothing

  // For another pool.
  void Clear() {
    watched.store(kNo);
    whole.store(0);
    looked_at_ns.store(0);
    since_ns.store(0);
    copies.store(0);
    tombstones.store(0);
    gone_ids.store(0);
    evict_told.store(0);
    due.fetch_add(1);
  }
};

struct SharedRepair {
  static constexpr uint32_t kPools = 16;                          // as many as SharedPoolTable has slots
  static constexpr uint32_t kNodes = 192;                         // of all pools
  static constexpr Duration kNodeIdle = std::chrono::minutes(1);  // not looked at for so long: may be another's

  // The view of a pool with this number and this hash of its settings; null for number 0.
  RepairView* ViewOf(uint8_t pool, uint64_t pool_hash);

  // Where a pool keeps what it knows of a node; null: no room.
  NodeMemory* MemoryOf(uint64_t pool_hash, uint32_t node_hash, TimePoint now);
  // Null if nothing is kept.
  const NodeMemory* FindMemoryOf(uint64_t pool_hash, uint32_t node_hash) const;

  bool AnyWatched() const;

  RepairView pools[kPools];
  NodeMemory nodes[kNodes];
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SHARED_REPAIR_H_
