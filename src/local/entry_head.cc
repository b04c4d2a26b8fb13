// Packing, unpacking and sealing of entries. Layer: local.
#include "src/local/entry_head.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace clustered_session {

namespace {

constexpr uint64_t kTimeMax = (uint64_t{1} << (8 * kTimeBytes)) - 1;
constexpr int64_t kNanosPerMicro = 1000;

// All flags fit into 8 bits.
static_assert(kEntryNewsDue <= 0x80u);

void StoreTime(int64_t nanos, bool round_up, uint8_t* out) {
  uint64_t micros = nanos <= 0 ? 0 : static_cast<uint64_t>(nanos / kNanosPerMicro);
  if (round_up && nanos > 0 && nanos % kNanosPerMicro != 0) ++micros;
  if (micros > kTimeMax) micros = kTimeMax;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(out, &micros, kTimeBytes);
    return;
  }
  for (int i = 0; i < kTimeBytes; ++i) out[i] = static_cast<uint8_t>(micros >> (8 * i));
}

// The bytes before a time are the head's, too, so that it is read with one load.
uint64_t LoadTime(const uint8_t* in) {
  uint64_t micros = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&micros, in - (sizeof micros - kTimeBytes), sizeof micros);
    return micros >> (8 * (sizeof micros - kTimeBytes));
  }
  for (int i = 0; i < kTimeBytes; ++i) micros |= static_cast<uint64_t>(in[i]) << (8 * i);
  return micros;
}

int64_t LoadNanos(const uint8_t* in) { return static_cast<int64_t>(LoadTime(in)) * kNanosPerMicro; }

uint32_t SumOf(uint64_t seed, const EntryHead& head) {
  constexpr size_t kFrom = offsetof(EntryHead, payload);
  const auto* bytes = reinterpret_cast<const std::byte*>(&head);
  const uint64_t hash =
      XXH3_64bits_withSeed(bytes + kFrom, sizeof head - kFrom, seed ^ head.flags ^ uint64_t{head.pool} << 8);
  const auto sum = static_cast<uint32_t>(hash ^ (hash >> 32));
  return sum == 0 ? 1 : sum;
}

}  // namespace

uint8_t NodeTable::NumberOf(uint32_t node_hash) {
  if (node_hash == 0) return 0;
  for (size_t i = 0; i < std::size(hashes); ++i) {
    uint32_t seen = hashes[i].load(std::memory_order_relaxed);
    if (seen == 0 && hashes[i].compare_exchange_strong(seen, node_hash, std::memory_order_relaxed)) seen = node_hash;
    if (seen == node_hash) return static_cast<uint8_t>(i + 1);
  }
  return 0;
}

void PackHead(const Entry& entry, NodeTable* nodes, EntryHead* head) {
  head->flags = static_cast<uint8_t>(entry.flags);
  head->pool = entry.pool;
  head->lifetime_s = entry.lifetime_s;
  head->version = entry.version;
  head->epoch = entry.epoch;
  for (int i = 0; i < kEntryTokensMax; ++i) {
    const EntryToken& token = entry.tokens[static_cast<size_t>(i)];
    head->node[i] = nodes->NumberOf(token.node_hash);
    const bool kept = token.node_hash == 0 || head->node[i] != 0;
    head->cas[i] = kept ? token.cas : 0;
    head->incarnation[i] = kept ? token.incarnation : 0;
  }
  head->home = nodes->NumberOf(entry.home_node);
  StoreTime(entry.expires_at_ns, false, head->expires_at);
  StoreTime(entry.confirmed_at_ns, false, head->confirmed_at);
  StoreTime(entry.grace_until_ns, true, head->grace_until);
  StoreTime(entry.nodes_expire_at_ns, false, head->nodes_expire_at);
}

void UnpackHead(const EntryHead& head, const NodeTable& nodes, Entry* entry) {
  entry->version = head.version;
  entry->epoch = head.epoch;
  entry->flags = head.flags;
  entry->pool = head.pool;
  entry->home_node = nodes.HashOf(head.home);
  entry->lifetime_s = head.lifetime_s;
  entry->expires_at_ns = LoadNanos(head.expires_at);
  entry->confirmed_at_ns = LoadNanos(head.confirmed_at);
  entry->grace_until_ns = LoadNanos(head.grace_until);
  entry->nodes_expire_at_ns = LoadNanos(head.nodes_expire_at);
  for (int i = 0; i < kEntryTokensMax; ++i) {
    EntryToken* token = &entry->tokens[static_cast<size_t>(i)];
    token->cas = head.cas[i];
    token->incarnation = head.incarnation[i];
    token->node_hash = nodes.HashOf(head.node[i]);
  }
}

void SealHead(uint64_t seed, EntryHead* head) {
  std::atomic_ref<uint32_t>(head->sum).store(SumOf(seed, *head), std::memory_order_release);
}

bool IsSealed(uint64_t seed, const EntryHead& head) { return head.sum == SumOf(seed, head); }

uint64_t OverAtMicros(const EntryHead& head) { return LoadTime(head.expires_at); }

uint64_t ExpiresAtMicros(const EntryHead& head) {
  const uint64_t over_at = OverAtMicros(head);
  return (head.flags & kEntryUnreplicated) != 0 ? over_at : std::max(over_at, LoadTime(head.nodes_expire_at));
}

uint64_t ToMicros(TimePoint time) {
  const int64_t nanos = ToNanos(time);
  return nanos <= 0 ? 0 : static_cast<uint64_t>(nanos / kNanosPerMicro);
}

}  // namespace clustered_session
