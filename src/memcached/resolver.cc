#include "src/memcached/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "src/base/quiet_thread.h"

namespace clustered_session {
namespace {

// For how long an answer that came too late for its asker is good for the next one: more than a retry interval.
constexpr Duration kFresh = std::chrono::seconds(10);
constexpr size_t kAddressesMax = 8;  // of one host name

// An IPv6 address, or an IPv4 one as "::ffff:a.b.c.d", and a sum by which a reader tells both halves belong together.
struct PackedAddress {
  uint64_t halves[2] = {};
  uint64_t Sum() const { return (halves[0] * 0x9e3779b97f4a7c15u) ^ (halves[1] + 0xc2b2ae3d27d4eb4fu); }
};

constexpr unsigned char kV4Prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::atomic<Resolver*> of_process{nullptr};
std::atomic<Resolver*> of_parent{nullptr};  // left alone, and not lost for who looks for leaks

// When the program or module is loaded, not at the first use: a fork() beside another thread's first use would leave
// the child waiting for the end of what that thread was at.
[[maybe_unused]] const int watched =
    pthread_atfork(nullptr, nullptr, [] { of_parent.store(of_process.exchange(nullptr)); });

}  // namespace

Result<HostAddresses> LookUpHost(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int code = getaddrinfo(host.c_str(), nullptr, &hints, &list); code != 0) {
    return Error(ErrorCode::kUnavailable, std::string("cannot resolve its name: ") + gai_strerror(code));
  }
  HostAddresses addresses;
  for (const addrinfo* entry = list; entry != nullptr && addresses.size() < kAddressesMax; entry = entry->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) {
      addresses.emplace_back(text);
    }
  }
  freeaddrinfo(list);
  if (addresses.empty()) return Error(ErrorCode::kUnavailable, "cannot resolve its name: no usable address");
  return addresses;
}

bool Resolver::IsNumeric(const std::string& host) {
  in6_addr any;
  return inet_pton(AF_INET, host.c_str(), &any) == 1 || inet_pton(AF_INET6, host.c_str(), &any) == 1;
}

// The parent's may have been locked by another thread when this process was forked, and its lookups are not here.
Resolver& Resolver::OfProcess() {
  Resolver* seen = of_process.load(std::memory_order_acquire);
  if (seen != nullptr) return *seen;
  auto made = std::make_unique<Resolver>(LookUpHost);
  if (of_process.compare_exchange_strong(seen, made.get(), std::memory_order_acq_rel)) seen = made.release();
  return *seen;
}

void Resolver::SetLookup(Lookup lookup) {
  const std::lock_guard<std::mutex> lock(mutex_);
  lookup_ = std::move(lookup);
  queries_.clear();  // who waits for one has it still
}

std::shared_ptr<Resolver::Query> Resolver::Begin(const std::string& host) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::erase_if(queries_, [now = std::chrono::steady_clock::now()](const auto& entry) {
    const Query& query = *entry.second;
    return query.done_ && (query.taken_ || now - query.done_at_ > kFresh);
  });
  std::shared_ptr<Query>& query = queries_[host];
  if (query != nullptr) return query;
  query = std::make_shared<Query>();
  // The thread knows nothing of the resolver, which a test may have destroyed by then.
  std::optional<std::thread> thread =
      StartQuietThread([host, query = query, lookup = lookup_] { query->End(lookup(host)); });
  if (thread) {
    thread->detach();
  } else {
    query->End(Error(ErrorCode::kUnavailable, "cannot resolve its name: no thread can be started"));
  }
  return query;
}

Result<HostAddresses> Resolver::Resolve(const std::string& host, TimePoint deadline) {
  if (IsNumeric(host)) return HostAddresses{host};
  const std::shared_ptr<Query> query = Begin(host);
  pollfd wait{query->descriptor(), POLLIN, 0};
  for (;;) {
    if (std::optional<Result<HostAddresses>> result = query->Take()) return *std::move(result);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Error(ErrorCode::kTimeout, "cannot resolve its name: no answer");
    // Without a descriptor it sleeps for a moment.
    poll(&wait, 1, wait.fd >= 0 ? static_cast<int>(std::min<int64_t>(left.count(), 60'000)) : 1);
  }
}

Resolver::Query::Query() : descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Resolver::Query::~Query() {
  if (descriptor_ >= 0) close(descriptor_);
}

void Resolver::Query::End(Result<HostAddresses> result) {
  result_ = std::move(result);
  done_at_ = std::chrono::steady_clock::now();
  done_.store(true, std::memory_order_release);
  constexpr uint64_t kOnce = 1;
  if (descriptor_ >= 0) (void)!write(descriptor_, &kOnce, sizeof kOnce);
}

std::optional<Result<HostAddresses>> Resolver::Query::Take() {
  if (!done_.load(std::memory_order_acquire)) return std::nullopt;
  taken_.store(true, std::memory_order_relaxed);
  return result_;
}

void KeepAddress(NodeHealth* health, std::string_view address) {
  const std::string text(address);
  unsigned char bytes[16];
  std::memcpy(bytes, kV4Prefix, sizeof kV4Prefix);
  if (inet_pton(AF_INET, text.c_str(), bytes + 12) != 1 && inet_pton(AF_INET6, text.c_str(), bytes) != 1) return;
  PackedAddress packed;
  std::memcpy(packed.halves, bytes, sizeof bytes);
  for (int i = 0; i < 2; ++i) health->address[i].store(packed.halves[i], std::memory_order_relaxed);
  health->address_sum.store(packed.Sum(), std::memory_order_relaxed);
}

std::string KeptAddress(const NodeHealth& health) {
  PackedAddress packed;
  for (int i = 0; i < 2; ++i) packed.halves[i] = health.address[i].load(std::memory_order_relaxed);
  if (packed.Sum() != health.address_sum.load(std::memory_order_relaxed)) return {};
  unsigned char bytes[16];
  std::memcpy(bytes, packed.halves, sizeof bytes);
  char text[INET6_ADDRSTRLEN];
  const bool v4 = std::memcmp(bytes, kV4Prefix, sizeof kV4Prefix) == 0;
  const char* const made =
      v4 ? inet_ntop(AF_INET, bytes + 12, text, sizeof text) : inet_ntop(AF_INET6, bytes, text, sizeof text);
  return made != nullptr ? made : "";
}

}  // namespace clustered_session
