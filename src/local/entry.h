// Entry: what this server knows of one session beside its payload. Layer: local.
// A plain value that is copied into and out of shared memory; all times are CLOCK_MONOTONIC nanoseconds (base/clock.h),
// kept to the microsecond: rounded up for grace_until_ns, down for the others, so that nothing is trusted for too long.
#ifndef CLUSTERED_SESSION_LOCAL_ENTRY_H_
#define CLUSTERED_SESSION_LOCAL_ENTRY_H_

#include <array>
#include <cstdint>

namespace clustered_session {

// How many nodes' tokens an entry remembers; more copies than that are written with one more round trip.
inline constexpr int kEntryTokensMax = 3;

// The CAS token of a session's item on one node. Only valid for the node incarnation that gave it.
struct EntryToken {
  uint64_t cas = 0;          // 0 = none
  uint32_t incarnation = 0;  // 0 = unknown: the token must not be used by another connection
  uint32_t node_hash = 0;    // which node (cluster/node.h: NodeNameHash), so that a changed node list mixes nothing up

  friend bool operator==(const EntryToken&, const EntryToken&) = default;
};

enum EntryFlags : uint32_t {
  kEntryUnreplicated = 1u << 0,     // no node has acknowledged this version yet: never evicted
  kEntryUnderReplicated = 1u << 1,  // fewer nodes than `copies` have acknowledged it
  kEntryTombstone = 1u << 2,        // destroyed; the payload is empty
  kEntryLocalOnly = 1u << 3,        // an empty new session no node was told of; first to be evicted
  kEntryTakeoverPending = 1u << 4,  // taken over, but not yet durable on the nodes under the new epoch
  kEntryStandsIn = 1u << 6,         // enough nodes have acknowledged it, but not the first ones of its placement
  kEntryNewsDue = 1u << 7,          // unreplicated, and other servers' copies are past once a node has it
  kEntryMadeHere = 1u << 5,         // with kEntryLocalOnly: this server has made its ID
};

struct Entry {
  uint64_t version = 0;
  uint64_t epoch = 0;
  uint32_t flags = 0;
  uint32_t lifetime_s = 0;         // seconds a session lives after its last use
  int64_t expires_at_ns = 0;       // when the session is over here
  int64_t confirmed_at_ns = 0;     // when a node last confirmed this version; 0 = never
  int64_t grace_until_ns = 0;      // until then every read validates (takeover grace)
  int64_t nodes_expire_at_ns = 0;  // when this server's records are gone from all nodes; 0 = none written
  std::array<EntryToken, kEntryTokensMax> tokens{};
  uint32_t home_node = 0;  // hash of the node that the session ID names; 0 = none that is known
  uint8_t pool = 0;        // whose settings say how to write it to the nodes (session/pool_table.h); 0 = not kept
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_ENTRY_H_
