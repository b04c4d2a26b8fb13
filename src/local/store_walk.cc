// A walk through all entries of a SharedStore, bucket by bucket. Layer: local.
#include <algorithm>

#include "src/local/shared_store.h"
#include "src/local/store_mutexes.h"

namespace clustered_session {

namespace {

constexpr uint32_t kBucketsLocked = 256;       // under one hold of a mutex
constexpr size_t kEntriesLocked = 64;          // likewise, and the rest of a bucket's chain
constexpr uint32_t kBucketsWalked = 1u << 16;  // in one call, as a large store may be almost empty

}  // namespace

bool SharedStore::Walk(WalkPosition* position, size_t limit, std::vector<Walked>* found) {
  const size_t full = found->size() + limit;
  uint32_t left = kBucketsWalked;
  found->reserve(full + 2 * kEntriesLocked);  // next to nothing is allocated under the mutex
  while (position->shard < segment_.geometry.shard_count && found->size() < full && left > 0) {
    const uint32_t buckets = segment_.geometry.shard_buckets;
    const uint32_t first = std::min(position->bucket, buckets);  // a position may come from outside
    const uint32_t end = std::min(buckets, first + std::min(kBucketsLocked, left));
    uint32_t bucket = first;
    {
      ShardLock lock(this, position->shard);
      const ShardTable table = Table(position->shard);
      const size_t enough = std::min(found->size() + kEntriesLocked, full);
      for (; lock.locked() && bucket < end && found->size() < enough; ++bucket) {
        table.ForEachIn(bucket, [&](const EntryHead& head) {
          UnpackHead(head, segment_.header()->nodes, &found->emplace_back(Walked{head.key, {}}).entry);
        });
      }
      if (!lock.locked()) bucket = end;  // a worker that was stopped has it: the next walk looks there again
    }
    left -= bucket - first;
    position->bucket = bucket;
    if (bucket == buckets) *position = {position->shard + 1, 0};
  }
  return position->shard < segment_.geometry.shard_count;
}

}  // namespace clustered_session
