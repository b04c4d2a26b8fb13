// The queues of the session locks: who is in them, in which order, and their repair. Layer: local.
// All here runs under the partition's mutex.
#include <algorithm>
#include <array>

#include "src/local/fault_point.h"
#include "src/local/lock_partition.h"

namespace clustered_session {

// The link to the last node of the key's queue, or the end of the bucket's chain if nobody has or wants the session.
uint32_t* SharedSessionLocks::FindLast(const Place& place, const SessionKey& key) const {
  uint32_t* bucket = &Partition(place.partition)->buckets[place.bucket];
  for (int round = 0; round < 2; ++round) {
    uint32_t* link = bucket;
    uint32_t steps = 0;
    LockNode* node = nullptr;
    while (*link != 0 && (node = Node(*link)) != nullptr && InUse(*node, place.partition) &&
           ++steps <= segment_.geometry.lock_nodes) {
      if (node->key == key) return link;
      link = &node->chain_next;
    }
    if (*link == 0) return link;
    Repair(place.partition);
  }
  *bucket = 0;  // not even the repair could make it whole: impossible but for memory that changes under us
  return bucket;
}

// Who arrived before the node and is still in the queue, or null.
LockNode* SharedSessionLocks::Before(const Place& place, LockNode* node) const {
  for (int round = 0; round < 2 && node->before != 0; ++round) {
    LockNode* before = Node(node->before);
    if (before != nullptr && before != node && InUse(*before, place.partition) && before->key == node->key &&
        before->ticket.load(std::memory_order_relaxed) < node->ticket.load(std::memory_order_relaxed)) {
      return before;
    }
    Repair(place.partition);
  }
  return nullptr;
}

// How many wait for the key, up to `limit`.
uint32_t SharedSessionLocks::CountWaiters(const Place& place, const SessionKey& key, uint32_t limit) const {
  uint32_t waiters = 0;
  for (LockNode* node = Node(*FindLast(place, key)); node != nullptr && waiters < limit; node = Before(place, node)) {
    if (StateOf(node->state.load(std::memory_order_relaxed)) == LockState::kWaiting) ++waiters;
  }
  return waiters;
}

// Whether one more may wait for the key.
bool SharedSessionLocks::MayWait(const Place& place, const SessionKey& key, uint32_t waiters_max) const {
  if (waiters_max == 0 || CountWaiters(place, key, waiters_max) < waiters_max) return true;
  CollectDead(place.partition);  // who died as the last of a queue waits for nothing
  return CountWaiters(place, key, waiters_max) < waiters_max;
}

void SharedSessionLocks::BecomeHolder(const Place& place, LockNode* node) const {
  SetState(node, LockState::kHolding, place.partition);
  FaultPoint("lock.holding");
  node->before = 0;
}

// Takes the place of the node before, whose owner is gone. REQUIRES: this thread holds its mutex, and node's.
// The node before is out of the queue before this one has the session: the kernel frees the mutexes of a dead thread
// one after the other, so whoever repairs what a death in here left may find both nodes still locked. Nothing may
// depend on having them then.
void SharedSessionLocks::Inherit(const Place& place, LockNode* node, LockNode* before) const {
  const LockState state = StateOf(before->state.load(std::memory_order_relaxed));
  if (state == LockState::kHolding) segment_.header()->counters.lock_takeovers.Add();
  if (state == LockState::kWaiting) {
    node->before = before->before;
    FaultPoint("lock.inherit.passed_by");
  }
  SetFree(before);
  FaultPoint("lock.inherit.alone");
  if (state != LockState::kWaiting) BecomeHolder(place, node);
  before->mutex.Unlock();
}

// Takes the node out of its queue if nobody is behind it; true if so. Else it stays there for the one behind it to pass
// by, and the caller unlocks it, outside of the partition, so that the one who wakes up finds that free.
bool SharedSessionLocks::Leave(const Place& place, LockNode* node) const {
  uint32_t* link = FindLast(place, node->key);
  if (Node(*link) != node) {
    if (StateOf(node->state.load(std::memory_order_relaxed)) == LockState::kHolding) {
      SetState(node, LockState::kReleased, place.partition);
    }
    FaultPoint("lock.leave.released");
    return false;
  }
  Unlink(link, node, Before(place, node));
  return true;
}

// The one before, if any, is the last of the queue from now on.
void SharedSessionLocks::Unlink(uint32_t* link, LockNode* node, LockNode* before) const {
  if (before == nullptr) {
    *link = node->chain_next;
  } else {
    before->chain_next = node->chain_next;
    FaultPoint("lock.unlink.half");
    *link = NumberOf(before);
  }
  FaultPoint("lock.unlink.unlinked");
  FreeNode(node);
}

// Takes out the last nodes of queues whose owners are gone: nobody behind them would.
void SharedSessionLocks::CollectDead(uint32_t partition) const {
  for (uint32_t bucket = 0; bucket < kLockBuckets; ++bucket) {
    uint32_t* link = &Partition(partition)->buckets[bucket];
    for (uint32_t steps = 0; *link != 0 && steps < 2 * segment_.geometry.lock_nodes; ++steps) {
      LockNode* node = Node(*link);
      if (node == nullptr || !InUse(*node, partition)) return Repair(partition);
      if (!IsLocked(TryNode(node))) {
        link = &node->chain_next;
        continue;
      }
      const LockState state = StateOf(node->state.load(std::memory_order_relaxed));
      if (state == LockState::kHolding) segment_.header()->counters.lock_takeovers.Add();
      LockNode* before = state == LockState::kWaiting ? Before({partition, bucket}, node) : nullptr;
      Unlink(link, node, before);
      FaultPoint("lock.collect.one");
    }
  }
}

// Builds the queues anew from the nodes that are in use, in their order of arrival. No live thread's order changes by
// it.
void SharedSessionLocks::Repair(uint32_t partition) const {
  std::array<uint32_t, kLockNodesMax> numbers;
  uint32_t count = 0;
  for (uint32_t number = 1; number <= segment_.geometry.lock_nodes; ++number) {
    if (InUse(*Node(number), partition)) numbers[count++] = number;
  }
  std::sort(numbers.begin(), numbers.begin() + count, [this](uint32_t a, uint32_t b) {
    return Node(a)->ticket.load(std::memory_order_relaxed) < Node(b)->ticket.load(std::memory_order_relaxed);
  });
  LockPartition* part = Partition(partition);
  std::fill(std::begin(part->buckets), std::end(part->buckets), 0u);
  FaultPoint("lock.repair.cleared");
  for (uint32_t i = 0; i < count; ++i) {
    LockNode* node = Node(numbers[i]);
    uint32_t* link = &part->buckets[PlaceOf(node->key).bucket];
    uint32_t steps = 0;
    while (*link != 0 && Node(*link)->key != node->key && ++steps <= count) link = &Node(*link)->chain_next;
    LockNode* before = Node(*link);
    node->chain_next = before == nullptr ? 0 : before->chain_next;
    // Who holds the session is the first of its queue: those before it are left from a step that somebody died in.
    const bool holds = StateOf(node->state.load(std::memory_order_relaxed)) == LockState::kHolding;
    node->before = before == nullptr || holds ? 0 : NumberOf(before);
    *link = numbers[i];
    FaultPoint("lock.repair.one");
    while (holds && before != nullptr) {
      LockNode* older = Node(before->before);
      if (IsLocked(TryNode(before))) FreeNode(before);
      before = older;
    }
  }
}

// REQUIRES: nobody takes or releases a lock meanwhile.
std::string SharedSessionLocks::CheckInvariants() const {
  for (uint32_t partition = 0; partition < kLockPartitions; ++partition) {
    PartitionLock lock(this, partition);  // repairs what is due
    if (!lock.locked()) return "a partition cannot be locked";
  }
  uint32_t in_use = 0;
  for (uint32_t number = 1; number <= segment_.geometry.lock_nodes; ++number) {
    if (StateOf(Node(number)->state.load()) != LockState::kFree) ++in_use;
  }
  uint32_t queued = 0;
  for (uint32_t partition = 0; partition < kLockPartitions; ++partition) {
    PartitionLock lock(this, partition);
    if (!lock.locked()) return "a partition cannot be locked";
    for (uint32_t bucket = 0; bucket < kLockBuckets; ++bucket) {
      for (uint32_t last = Partition(partition)->buckets[bucket]; last != 0; last = Node(last)->chain_next) {
        if (Node(last) == nullptr || !InUse(*Node(last), partition)) return "a queue's last node is not in use";
        uint32_t number = last;
        for (; number != 0; number = Node(number)->before) {
          if (++queued > in_use) return "a queue is endless, or a node is in two";
          const LockNode* node = Node(number);
          if (node == nullptr || node->key != Node(last)->key) return "a queue is of two keys";
          const Place place = PlaceOf(node->key);
          if (place.partition != partition || place.bucket != bucket) return "a queue is in the wrong bucket";
        }
      }
    }
  }
  return queued == in_use ? std::string() : "a node in use is in no queue";
}

}  // namespace clustered_session
