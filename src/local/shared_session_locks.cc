// The session locks' operations. Layer: local.
#include "src/local/shared_session_locks.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "src/local/fault_point.h"
#include "src/local/local_store.h"
#include "src/local/lock_partition.h"

namespace clustered_session {

namespace {

constexpr uint32_t kPartitionShift = 8;

}  // namespace

SharedSessionLocks::SharedSessionLocks(const Segment& segment, uint64_t seed) : segment_(segment), seed_(seed) {}

// The C library keeps the robust mutexes of a thread in a list through the mutexes themselves: one that is still held
// when its memory goes away would have the thread's next one written into whatever is mapped there.
SharedSessionLocks::~SharedSessionLocks() {
  for (uint32_t number = 1; number <= segment_.geometry.lock_nodes; ++number) {
    LockNode* node = Node(number);
    const LockOutcome outcome = TryNode(node);
    if (IsLocked(outcome) || outcome == LockOutcome::kOwned) node->mutex.Unlock();
  }
}

SharedSessionLocks::Place SharedSessionLocks::PlaceOf(const SessionKey& key) const {
  const uint64_t hash = XXH3_64bits_withSeed(key.bytes.data(), key.bytes.size(), seed_);
  return {static_cast<uint32_t>(hash) % kLockPartitions, static_cast<uint32_t>(hash >> 32) % kLockBuckets};
}

LockNode* SharedSessionLocks::Node(uint32_t number) const {
  if (number == 0 || number > segment_.geometry.lock_nodes) return nullptr;
  return segment_.node(number - 1);
}

void SharedSessionLocks::SetState(LockNode* node, LockState state, uint32_t partition) const {
  node->state.store(static_cast<uint32_t>(state) | partition << kPartitionShift, std::memory_order_release);
}

// Also for a word that no state is: then only its mutex tells whether somebody has the node.
bool SharedSessionLocks::IsFree(const LockNode& node) const {
  const uint32_t state = node.state.load(std::memory_order_acquire);
  return StateOf(state) == LockState::kFree || StateOf(state) > LockState::kReleased ||
         state >> kPartitionShift >= kLockPartitions;
}

bool SharedSessionLocks::InUse(const LockNode& node, uint32_t partition) const {
  const uint32_t state = node.state.load(std::memory_order_acquire);
  return state >> kPartitionShift == partition && StateOf(state) != LockState::kFree &&
         StateOf(state) <= LockState::kReleased;
}

// REQUIRES: this thread holds the node's mutex.
void SharedSessionLocks::SetFree(LockNode* node) const {
  node->state.store(static_cast<uint32_t>(LockState::kFree), std::memory_order_release);
}

// REQUIRES: this thread holds the node's mutex.
void SharedSessionLocks::FreeNode(LockNode* node) const {
  SetFree(node);
  FaultPoint("lock.node_freed");
  node->mutex.Unlock();
}

LockOutcome SharedSessionLocks::TryNode(LockNode* node) const {
  const LockOutcome outcome = node->mutex.TryLock();
  if (outcome == LockOutcome::kOwnerDied) node->mutex.MarkConsistent();
  return outcome;
}

// A free node, locked; its number, or 0.
uint32_t SharedSessionLocks::TryNodes() {
  const uint32_t count = segment_.geometry.lock_nodes;
  const uint32_t from = hint_.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t number = (from + i) % count + 1;
    LockNode* node = Node(number);
    if (!IsFree(*node)) continue;
    if (!IsLocked(TryNode(node))) continue;
    if (IsFree(*node)) {
      hint_.store(number - 1, std::memory_order_relaxed);
      FaultPoint("lock.node_taken");
      return number;
    }
    node->mutex.Unlock();
  }
  return 0;
}

uint32_t SharedSessionLocks::TakeNode() {
  uint32_t number = TryNodes();
  if (number != 0) return number;
  // Those who died in queues that nobody asks for any more.
  for (uint32_t i = 0; i < kLockPartitions; ++i) {
    PartitionLock lock(this, i);
    if (!lock.locked()) continue;
    Repair(i);
    CollectDead(i);
  }
  return TryNodes();
}

Result<SessionLock> SharedSessionLocks::Acquire(const SessionKey& key, TimePoint deadline, uint32_t waiters_max) {
  const uint32_t number = TakeNode();
  if (number == 0) {
    segment_.header()->counters.lock_refusals.Add();
    return Error(ErrorCode::kNoMemory, "all " + std::to_string(segment_.geometry.lock_nodes) +
                                           " session locks are held or waited for [CS-LOCKS-FULL]");
  }
  LockNode* node = Node(number);
  const Place place = PlaceOf(key);
  bool waits = false;
  {
    PartitionLock lock(this, place.partition);
    if (!lock.locked()) {
      node->mutex.Unlock();
      return Error(ErrorCode::kTimeout, "a stopped worker holds the session locks");
    }
    if (!MayWait(place, key, waiters_max)) {
      node->mutex.Unlock();
      segment_.header()->counters.lock_refusals.Add();
      return Error(ErrorCode::kTooMany, "too many requests wait for this session");
    }
    waits = Enqueue(place, key, node);
  }
  FaultPoint("lock.enqueued");
  if (waits) {
    Counters& counters = segment_.header()->counters;
    counters.lock_waits.Add();
    const TimePoint since = std::chrono::steady_clock::now();
    const WaitOutcome outcome = Wait(place, node, deadline);
    NoteWait(since);
    if (outcome == WaitOutcome::kTimeout) {
      counters.lock_timeouts.Add();
      return Error(ErrorCode::kTimeout, "the session is locked by another request");
    }
    if (outcome == WaitOutcome::kFailed) {
      return Error(ErrorCode::kInternal,
                   "the session lock cannot be taken: asked for twice, or its memory is damaged [CS-LOCK-DAMAGED]");
    }
  }
  return SessionLock{place.partition, number, node->ticket.load(std::memory_order_relaxed), true};
}

// Appends the node to the key's queue; true if it has to wait.
bool SharedSessionLocks::Enqueue(const Place& place, const SessionKey& key, LockNode* node) {
  uint32_t* link = FindLast(place, key);
  const uint32_t number = NumberOf(node);
  const uint32_t before = *link;
  const LockNode* last = Node(before);
  node->key = key;
  node->before = before;
  node->chain_next = last == nullptr ? 0 : last->chain_next;
  node->ticket.store(segment_.header()->locks.tickets.fetch_add(1, std::memory_order_relaxed) + 1,
                     std::memory_order_relaxed);
  FaultPoint("lock.enqueue.filled");
  SetState(node, before == 0 ? LockState::kHolding : LockState::kWaiting, place.partition);
  FaultPoint("lock.enqueue.in_use");
  *link = number;
  FaultPoint("lock.enqueue.linked");
  return before != 0;
}

void SharedSessionLocks::NoteWait(TimePoint since) {
  const Duration took = std::chrono::steady_clock::now() - since;
  AddTime(&segment_.header()->counters.lock_wait, took);
  const int64_t waited = std::chrono::nanoseconds(took).count();
  std::atomic<int64_t>& longest = segment_.header()->locks.longest_wait_ns;
  int64_t seen = longest.load(std::memory_order_relaxed);
  while (waited > seen && !longest.compare_exchange_weak(seen, waited, std::memory_order_relaxed)) {
  }
}

// Blocks on the one before, until there is none.
SharedSessionLocks::WaitOutcome SharedSessionLocks::Wait(const Place& place, LockNode* node, TimePoint deadline) {
  LockNode* before = nullptr;
  {
    PartitionLock lock(this, place.partition);
    if (!lock.locked()) return GiveUp(place, node, WaitOutcome::kFailed);
    before = Before(place, node);
    if (before == nullptr) BecomeHolder(place, node);
  }
  // Each round leaves one node of those before behind.
  for (uint32_t i = 0; before != nullptr && i < 2 * kLockNodesMax; ++i) {
    const LockOutcome outcome = before->mutex.LockUntil(deadline);
    if (outcome == LockOutcome::kBusy) return GiveUp(place, node, WaitOutcome::kTimeout);
    if (!IsLocked(outcome)) return GiveUp(place, node, WaitOutcome::kFailed);
    if (outcome == LockOutcome::kOwnerDied) before->mutex.MarkConsistent();
    FaultPoint("lock.wait.before_gone");
    PartitionLock lock(this, place.partition);
    if (!lock.locked()) {
      before->mutex.Unlock();
      return GiveUp(place, node, WaitOutcome::kFailed);
    }
    if (Before(place, node) == before) {
      Inherit(place, node, before);
    } else {
      before->mutex.Unlock();  // a repair has changed the queue meanwhile
    }
    before = Before(place, node);
    if (before == nullptr) BecomeHolder(place, node);
  }
  return before == nullptr ? WaitOutcome::kHolding : GiveUp(place, node, WaitOutcome::kFailed);
}

// At the deadline the lock may just have come free: then it is taken after all.
SharedSessionLocks::WaitOutcome SharedSessionLocks::GiveUp(const Place& place, LockNode* node, WaitOutcome outcome) {
  bool left = false;
  {
    PartitionLock lock(this, place.partition);
    if (!lock.locked()) outcome = WaitOutcome::kFailed;  // stays in the queue; the next one passes it by
    if (lock.locked()) {
      LockNode* before = Before(place, node);
      while (before != nullptr && IsLocked(TryNode(before))) {
        Inherit(place, node, before);
        before = Before(place, node);
      }
      if (before == nullptr && outcome == WaitOutcome::kTimeout) {
        BecomeHolder(place, node);
        return WaitOutcome::kHolding;
      }
      FaultPoint("lock.give_up.begun");
      left = Leave(place, node);
    }
  }
  if (!left) node->mutex.Unlock();
  return outcome;
}

void SharedSessionLocks::Release(SessionLock* lock) {
  if (!lock->held) return;
  lock->held = false;
  LockNode* node = Node(lock->place);
  if (node == nullptr || lock->partition >= kLockPartitions) return;
  if (node->ticket.load(std::memory_order_relaxed) != lock->ticket) return;
  // The mutex knows best whose it is: not a child's of the process that locked it.
  if (!node->mutex.OwnedByThisThread()) return;
  bool left = false;
  {
    PartitionLock partition(this, lock->partition);
    FaultPoint("lock.release.begun");
    // Where the partition cannot be had, the next one takes the session as if its holder had died.
    if (partition.locked()) left = Leave(PlaceOf(node->key), node);
  }
  FaultPoint("lock.release.left");
  if (!left) node->mutex.Unlock();
}

SessionLocks::Usage SharedSessionLocks::GetUsage() const {
  Usage usage;
  usage.capacity = segment_.geometry.lock_nodes;
  usage.longest_wait_ns = segment_.header()->locks.longest_wait_ns.load(std::memory_order_relaxed);
  const TimePoint deadline = std::chrono::steady_clock::now() + LocalStore::kUsageWait;
  for (uint32_t i = 0; i < kLockPartitions; ++i) {
    PartitionLock lock(this, i, deadline);
    if (lock.locked()) CollectDead(i);  // who died holds nothing
  }
  for (uint32_t number = 1; number <= usage.capacity; ++number) {
    const LockState state = StateOf(Node(number)->state.load(std::memory_order_relaxed));
    if (state == LockState::kHolding) ++usage.held;
    if (state == LockState::kWaiting) ++usage.waiting;
  }
  return usage;
}

}  // namespace clustered_session
