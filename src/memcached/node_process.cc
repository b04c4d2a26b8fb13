// What is known of a node's process, see node_process.h. Layer: memcached.
#include "src/memcached/node_process.h"

#include <sys/random.h>

#include <chrono>
#include <limits>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "src/base/clock.h"
#include "src/memcached/node_item.h"
#include "src/memcached/resolver.h"

namespace clustered_session {
namespace {

uint32_t NonZeroHash(std::string_view text) {
  const auto hash = static_cast<uint32_t>(XXH3_64bits(text.data(), text.size()));
  return hash != 0 ? hash : 1;
}

uint64_t SizeOf(const NodeOperation& write) { return write.key.size() + write.value.size() + kNodeItemOverhead; }

}  // namespace

uint64_t RandomBits() {
  uint64_t bits = 0;
  if (getrandom(&bits, sizeof bits, 0) != sizeof bits) {
    bits = static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }
  return bits;
}

std::string RandomSentinel() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int word = 0; word < 2; ++word) {
    uint64_t bits = RandomBits();
    for (int i = 0; i < 16; ++i, bits >>= 4) text += kDigits[bits & 15];
  }
  return SentinelValue(text, SystemClock().UnixSeconds());
}

NodeProcess::NodeProcess(const NodeProcess& other)
    : health_(nullptr), key_(0), asks_limit_(other.asks_limit_), incarnation_(other.incarnation_) {
  const NodeHealth& kept = other.kept();
  own_.incarnation.store(kept.incarnation.load(std::memory_order_acquire));
  own_.item_size_max.store(kept.item_size_max.load(std::memory_order_acquire));
  KeepAddress(&own_, KeptAddress(kept));
}

void NodeProcess::Adopt(const NodeProcess& copy) {
  const uint32_t incarnation = copy.own_.incarnation.load();
  if (copy.learnt_) Share(incarnation);
  incarnation_ = copy.incarnation_;
  const uint64_t size_max = copy.own_.item_size_max.load();
  if (size_max != 0 && kept().incarnation.load() == incarnation) kept().item_size_max.store(size_max);
  const std::string address = KeptAddress(copy.own_);
  if (address != KeptAddress(kept())) KeepAddress(&kept(), address);
}

void NodeProcess::Learn(const std::string* sentinel) {
  incarnation_ = NonZeroHash(sentinel != nullptr ? *sentinel : RandomSentinel());
  if (sentinel == nullptr) return;
  learnt_ = true;
  Share(incarnation_);
}

void NodeProcess::Share(uint32_t incarnation) {
  NodeHealth& all = kept();
  if (all.incarnation.load(std::memory_order_acquire) == incarnation) return;
  all.item_size_max.store(0, std::memory_order_release);  // first: a limit must not pass for another process's
  all.incarnation.store(incarnation, std::memory_order_release);
}

void NodeProcess::SetItemSizeMax(uint64_t bytes) {
  kept().item_size_max.store(bytes > 0 ? bytes : std::numeric_limits<uint64_t>::max(), std::memory_order_release);
}

WriteStep NodeProcess::NextStep(const NodeOperation& write) const {
  const bool large = write.value.size() > kAskSizeMaxBefore;
  const uint64_t size_max = ItemSizeMax();
  const bool too_large = size_max != 0 && SizeOf(write) > size_max;
  if (!known() && (write.expected.known() || large || too_large)) return WriteStep::kAskIncarnation;
  if (large && size_max == 0 && asks_limit_) return WriteStep::kAskSizeMax;
  return known() && too_large ? WriteStep::kTooLarge : WriteStep::kSend;
}

bool NodeProcess::MayBeTooLarge(const NodeOperation& write) const {
  return asks_limit_ && write.value.size() > kAskSizeMaxAfter && ItemSizeMax() == 0;
}

NodeReply NodeProcess::OrTooLarge(const NodeOperation& write, NodeReply reply) const {
  const uint64_t size_max = ItemSizeMax();
  if (size_max == 0 || SizeOf(write) <= size_max) return reply;
  reply = NodeReply();
  reply.status = NodeStatus::kTooLarge;
  reply.size_max = size_max;
  return reply;
}

}  // namespace clustered_session
