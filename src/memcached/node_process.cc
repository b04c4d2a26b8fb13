#include "src/memcached/node_process.h"

#include <sys/random.h>

#include <chrono>
#include <limits>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "src/memcached/resolver.h"

namespace clustered_session {
namespace {

constexpr uint64_t kNoSizeLimit = std::numeric_limits<uint64_t>::max();

uint32_t NonZeroHash(std::string_view text) {
  const auto hash = static_cast<uint32_t>(XXH3_64bits(text.data(), text.size()));
  return hash != 0 ? hash : 1;
}

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
  return text;
}

void NodeProcess::Learn(const std::string* sentinel) {
  incarnation_ = NonZeroHash(sentinel != nullptr ? *sentinel : RandomSentinel());
  NodeHealth* health = shared();
  if (health == nullptr || sentinel == nullptr) return;
  if (health->incarnation.load(std::memory_order_acquire) == incarnation_) return;
  health->item_size_max.store(0, std::memory_order_release);  // first: a limit must not pass for another process's
  health->incarnation.store(incarnation_, std::memory_order_release);
}

std::string NodeProcess::KeptAddress() const {
  const NodeHealth* health = shared();
  return health != nullptr ? clustered_session::KeptAddress(*health) : std::string();
}

void NodeProcess::KeepAddress(const std::string& address) {
  if (NodeHealth* health = shared(); health != nullptr) clustered_session::KeepAddress(health, address);
}

// Before the incarnation is known, what is kept may be of a process that is gone; learning it has cleared that.
uint64_t NodeProcess::ItemSizeMax() const { return known() ? LastItemSizeMax() : 0; }

uint64_t NodeProcess::LastItemSizeMax() const {
  const NodeHealth* health = shared();
  return health != nullptr ? health->item_size_max.load(std::memory_order_acquire) : 0;
}

void NodeProcess::SetItemSizeMax(uint64_t bytes) {
  if (NodeHealth* health = shared(); health != nullptr) {
    health->item_size_max.store(bytes > 0 ? bytes : kNoSizeLimit, std::memory_order_release);
  }
}

TimePoint NodeProcess::ForgottenAt() const {
  const NodeHealth* health = shared();
  return FromNanos(health != nullptr ? health->forgotten_at_ns.load(std::memory_order_acquire) : 0);
}

void NodeProcess::SetForgotten(TimePoint now) {
  if (NodeHealth* health = shared(); health != nullptr) {
    health->forgotten_at_ns.store(ToNanos(now), std::memory_order_release);
  }
}

uint32_t NodeProcess::LastIncarnation() const {
  const NodeHealth* health = shared();
  return health != nullptr ? health->incarnation.load(std::memory_order_acquire) : 0;
}

uint32_t NodeProcess::LastClassic() const {
  const NodeHealth* health = shared();
  return health != nullptr ? health->classic.load(std::memory_order_acquire) : 0;
}

void NodeProcess::SetClassic(uint32_t incarnation) {
  if (NodeHealth* health = shared(); health != nullptr) health->classic.store(incarnation, std::memory_order_release);
}

}  // namespace clustered_session
