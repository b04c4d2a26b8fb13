// Segment: the layout of the shared memory, and its mapping. Layer: local, only used by local.
// Mapped anonymously in the parent process, inherited by the workers at fork, gone with the last of them: no file, no
// descriptor, nothing to clean up. It holds offsets and no pointers; where the parts are is known to each process from
// its own Geometry and never read from shared memory.
#ifndef CLUSTERED_SESSION_LOCAL_SEGMENT_H_
#define CLUSTERED_SESSION_LOCAL_SEGMENT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "src/base/counters.h"
#include "src/base/result.h"
#include "src/local/arena.h"
#include "src/local/entry_head.h"
#include "src/local/expiry_tree.h"
#include "src/local/lock_table.h"
#include "src/local/shared_mutex.h"
#include "src/local/undo_log.h"

namespace clustered_session {

inline constexpr uint64_t kSegmentMagic = 0x31474553'53455353;
inline constexpr uint32_t kLayoutVersion = 3;

// Which list of a shard an entry is in.
enum QueueId : uint8_t {
  kQueueNone,
  kQueuePinned,     // unreplicated: not to be evicted
  kQueueLocalOnly,  // evicted before all others that have not expired
  kQueueSmall,      // not used again since it came
  kQueueMain,       // used again
  kQueueCount,
};

struct EntryQueue {
  uint32_t first;  // the oldest
  uint32_t last;
  std::atomic<uint32_t> entries;  // written under the shard's mutex, read without it as a hint
  uint32_t reserved;
  uint64_t units;  // of the arena, that its entries take
};
static_assert(sizeof(EntryQueue) == 24);

// Blocks of the arena that belong to no entry, because they are on their way into one or out of one. Who holds the
// shard's mutex has them; when its owner dies, whoever comes next frees them.
struct PendingBlocks {
  uint32_t head;     // 0 = none
  uint32_t payload;  // the first piece, 0 = none
};

inline constexpr size_t kShardUndoBytes = 704;  // the most that one change of a shard saves, and some more
inline constexpr size_t kArenaUndoBytes = 704;  // of one arena

// One part of the entry table, by the key's hash. Its buckets, ghosts and expiries are beside it.
struct alignas(64) Shard {
  SharedMutex mutex;
  PendingBlocks pending;  // written under the arena's mutex, too, while the shard's log is empty
  EntryQueue queues[kQueueCount];
  UndoRecords<kShardUndoBytes> undo;  // of all that the mutex guards
};
static_assert(sizeof(Shard) == 896);

// The memory of several shards' entries.
struct alignas(64) ArenaState {
  SharedMutex mutex;
  ArenaControl control;
  UndoRecords<kArenaUndoBytes> undo;  // of all that the mutex guards
};

struct SegmentHeader {
  uint64_t magic;
  uint32_t layout_version;
  uint32_t header_size;
  uint64_t memory;
  uint64_t instance;
  std::atomic<uint32_t> needs_repair;   // 1: somebody died, or met a wrong byte; nothing is touched before the repair
  std::atomic<uint32_t> evict_cursor;   // the shard to evict from next
  std::atomic<uint32_t> remove_cursor;  // the shard where RemoveExpired goes on
  std::atomic<uint32_t> list_cursor;    // the shard whose unreplicated entries are listed next
  std::atomic<uint64_t> last_number;    // that NextNumber() has given
  Counters counters;
  NodeTable nodes;
  alignas(64) SharedMutex repair_mutex;
  alignas(64) LockTableHeader locks;
};

inline constexpr uint32_t kBucketsPerExpiry = 4;  // that a leaf of the tree of expiries stands for

// Where everything is, in bytes from the start of the segment.
struct Geometry {
  size_t memory = 0;
  uint32_t shard_count = 0;    // a power of two
  uint32_t shard_buckets = 0;  // per shard, a power of two
  uint32_t lock_nodes = 0;
  uint32_t arena_count = 0;  // a power of two, fewer than there are shards
  uint32_t arena_units = 0;  // per arena
  size_t extra = 0;
  size_t extra_size = 0;
  size_t shards = 0;
  size_t arena_states = 0;
  size_t buckets = 0;
  size_t expiries = 0;
  uint32_t shard_expiries = 0;  // slots per shard
  // One fingerprint per bucket, of entries evicted before their second use. During a repair, a bit per unit of the
  // arena is in the same place: this costs nothing, and what it forgets is a hint.
  size_t ghosts = 0;
  size_t used_map_bytes = 0;  // per arena
  size_t partitions = 0;
  size_t nodes = 0;
  size_t arena = 0;  // the first; the others follow
};

// Errors: kInvalidArgument.
Result<Geometry> PlanSegment(size_t memory, size_t shared_extra);

// A process's view of the mapping. Copies share it; MapSegment's caller unmaps.
struct Segment {
  Geometry geometry;
  std::byte* base = nullptr;

  SegmentHeader* header() const { return reinterpret_cast<SegmentHeader*>(base); }
  Shard* shard(uint32_t index) const { return reinterpret_cast<Shard*>(base + geometry.shards) + index; }
  uint32_t* buckets(uint32_t shard_index) const {
    return reinterpret_cast<uint32_t*>(base + geometry.buckets) + size_t{shard_index} * geometry.shard_buckets;
  }
  uint32_t* ghosts(uint32_t shard_index) const {
    return reinterpret_cast<uint32_t*>(base + geometry.ghosts) + size_t{shard_index} * geometry.shard_buckets;
  }
  ExpiryTree expiries(uint32_t shard_index) const {
    return ExpiryTree(
        reinterpret_cast<ExpiryTree::Slot*>(base + geometry.expiries) + size_t{shard_index} * geometry.shard_expiries,
        geometry.shard_buckets / kBucketsPerExpiry);
  }
  UndoLog undo(Shard* shard) const { return UndoLog(&shard->undo, base, geometry.memory); }
  LockPartition* partition(uint32_t index) const {
    return reinterpret_cast<LockPartition*>(base + geometry.partitions) + index;
  }
  LockNode* node(uint32_t index) const { return reinterpret_cast<LockNode*>(base + geometry.nodes) + index; }
  uint64_t* used_map(uint32_t arena_index) const {
    return reinterpret_cast<uint64_t*>(base + geometry.ghosts + arena_index * geometry.used_map_bytes);
  }
  ArenaState* arena_state(uint32_t index) const {
    return reinterpret_cast<ArenaState*>(base + geometry.arena_states) + index;
  }
  uint32_t ArenaOf(uint32_t shard_index) const { return shard_index & (geometry.arena_count - 1); }
  Arena arena(uint32_t index) const {
    ArenaState* state = arena_state(index);
    return Arena(&state->control, base + geometry.arena + size_t{index} * geometry.arena_units * kUnitBytes,
                 geometry.arena_units, &header()->needs_repair, UndoLog(&state->undo, base, geometry.memory));
  }
};

// Maps it and makes its mutexes and random numbers; its tables are empty because new memory is zero. The arenas are
// left for the caller to build, who then writes the magic number.
// Errors: kNoMemory, kInternal.
Result<Segment> MapSegment(const Geometry& geometry);
// The same in memory that the caller has mapped; what fails leaves it mapped.
Result<Segment> MakeSegment(const Geometry& geometry, void* base);
void UnmapSegment(const Segment& segment);

// Bytes of [base, base + size) that are mapped in huge pages, as a file like /proc/self/smaps tells; 0 without it.
size_t HugePageBytes(const char* smaps, const void* base, size_t size);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_SEGMENT_H_
