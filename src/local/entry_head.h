// EntryHead: an Entry as it lies in shared memory, with the links that find it. Layer: local, only used by local.
// 128 bytes, all of the metadata of an entry beside its share of the bucket and ghost tables.
#ifndef CLUSTERED_SESSION_LOCAL_ENTRY_HEAD_H_
#define CLUSTERED_SESSION_LOCAL_ENTRY_HEAD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "src/base/clock.h"
#include "src/base/session_key.h"
#include "src/local/arena.h"
#include "src/local/entry.h"

namespace clustered_session {

// Times are kept in microseconds in 48 bits (8.9 years after the host's start), rounded so that an entry expires and
// loses its trust early rather than late.
inline constexpr int kTimeBytes = 6;

// A block of the arena. The links are rebuilt by the repair; `sum` covers all below it and the flags, and is written
// last: a head is valid if and only if its sum is right. A freed head's sum is 0, which no valid head has.
struct EntryHead {
  uint32_t block;       // the arena's header
  uint32_t chain_next;  // of its bucket, 0 = end
  uint32_t queue_previous;
  uint32_t queue_next;
  uint8_t queue;  // QueueId
  uint8_t uses;   // since it was last considered for eviction, at most kUsesMax
  uint8_t flags;  // EntryFlags
  uint8_t pool;
  uint32_t sum;
  uint32_t payload;  // first piece, 0 = no bytes
  uint32_t lifetime_s;
  SessionKey key;
  uint64_t version;
  uint64_t epoch;
  uint64_t cas[kEntryTokensMax];
  uint32_t incarnation[kEntryTokensMax];
  uint8_t node[kEntryTokensMax];  // NodeTable's number of node_hash
  uint8_t home;                   // the same of home_node
  uint8_t expires_at[kTimeBytes];
  uint8_t confirmed_at[kTimeBytes];
  uint8_t grace_until[kTimeBytes];
  uint8_t nodes_expire_at[kTimeBytes];
};
static_assert(sizeof(EntryHead) == 128 && offsetof(EntryHead, payload) == 24 && offsetof(EntryHead, key) == 32);

inline constexpr uint32_t kHeadUnits = sizeof(EntryHead) / kUnitBytes;
inline constexpr size_t kHeadUnlinkedFrom = offsetof(EntryHead, queue);  // the word in which what is no link begins

// Numbers for the few nodes a server knows, so that a token takes one byte for its node. Zeroed = empty; only grows.
struct NodeTable {
  std::atomic<uint32_t> hashes[255];

  // 1..255, or 0 if the table is full: then the token is not kept, which costs one more round trip later.
  uint8_t NumberOf(uint32_t node_hash);
  uint32_t HashOf(uint8_t number) const { return number == 0 ? 0 : hashes[number - 1].load(std::memory_order_relaxed); }
};

// Copies all of the entry. Key, payload and sum are the caller's to write.
void PackHead(const Entry& entry, NodeTable* nodes, EntryHead* head);
void UnpackHead(const EntryHead& head, const NodeTable& nodes, Entry* entry);

// Writes the sum.
void SealHead(uint64_t seed, EntryHead* head);
bool IsSealed(uint64_t seed, const EntryHead& head);

// When its session is over.
uint64_t OverAtMicros(const EntryHead& head);
// From when on nobody needs it: the end of a session is remembered as long as a node may still have its record. Not of
// one that is unreplicated, which waits for nodes to be written.
uint64_t ExpiresAtMicros(const EntryHead& head);
uint64_t ToMicros(TimePoint time);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_ENTRY_HEAD_H_
