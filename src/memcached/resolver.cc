#include "src/memcached/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "src/base/process_number.h"
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

void Ring(int bell) {
  constexpr uint64_t kOnce = 1;
  if (bell >= 0) (void)!write(bell, &kOnce, sizeof kOnce);
}

constexpr unsigned char kV4Prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::atomic<Resolver*> of_process{nullptr};

// When the program or module is loaded, not at the first use: a fork() beside another thread's first use would leave
// the child waiting for the end of what that thread was at.
[[maybe_unused]] const int watched = pthread_atfork(nullptr, nullptr, [] { of_process.store(nullptr); });

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

void Resolver::Start(const std::string& host, const std::shared_ptr<Query>& query) {
  std::optional<std::thread> thread = StartQuietThread([this, host, query, lookup = lookup_] {
    Result<HostAddresses> result = lookup(host);
    const std::lock_guard<std::mutex> lock(mutex_);
    query->result = std::move(result);
    query->done = true;
    query->done_at = std::chrono::steady_clock::now();
    for (const std::shared_ptr<Bell>& bell : query->bells) Ring(bell->descriptor);
    query->bells.clear();
    answered_.notify_all();
  });
  if (thread) {
    thread->detach();
    return;
  }
  query->result = Error(ErrorCode::kUnavailable, "cannot resolve its name: no thread can be started");
  query->done = true;
  query->done_at = std::chrono::steady_clock::now();
}

// The lookup that is under way, or a new one. REQUIRES: mutex_
std::shared_ptr<Resolver::Query> Resolver::Find(const std::string& host) {
  std::shared_ptr<Query>& slot = queries_[host];
  const bool stale = slot != nullptr && slot->done && std::chrono::steady_clock::now() - slot->done_at > kFresh;
  if (slot == nullptr || stale) {
    slot = std::make_shared<Query>();
    Start(host, slot);
  }
  return slot;
}

// Who asks next looks it up anew. REQUIRES: mutex_
void Resolver::Forget(const std::string& host, const std::shared_ptr<Query>& query) {
  const auto found = queries_.find(host);
  if (found != queries_.end() && found->second == query) queries_.erase(found);
}

Result<HostAddresses> Resolver::Resolve(const std::string& host, TimePoint deadline) {
  if (IsNumeric(host)) return HostAddresses{host};
  std::unique_lock<std::mutex> lock(mutex_);
  const std::shared_ptr<Query> query = Find(host);
  if (!answered_.wait_until(lock, deadline, [&] { return query->done; })) {
    return Error(ErrorCode::kTimeout, "cannot resolve its name: no answer");
  }
  Forget(host, query);
  return query->result;
}

std::unique_ptr<Resolver::Waiter> Resolver::Begin(const std::string& host) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::unique_ptr<Waiter> waiter(new Waiter(this, host, Find(host)));
  if (!waiter->query_->done) waiter->query_->bells.push_back(waiter->bell_);
  if (waiter->query_->done) Ring(waiter->bell_->descriptor);
  return waiter;
}

Resolver::Bell::Bell() : descriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
Resolver::Bell::~Bell() {
  if (descriptor >= 0) close(descriptor);
}

Resolver::Waiter::Waiter(Resolver* resolver, std::string host, std::shared_ptr<Query> query)
    : resolver_(resolver),
      host_(std::move(host)),
      query_(std::move(query)),
      bell_(std::make_shared<Bell>()),
      process_(ProcessNumber()) {}

Resolver::Waiter::~Waiter() {
  if (process_ != ProcessNumber()) return;  // the parent's mutex may have been locked when this process was forked
  const std::lock_guard<std::mutex> lock(resolver_->mutex_);
  std::erase(query_->bells, bell_);
}

int Resolver::Waiter::descriptor() const { return bell_->descriptor; }

std::optional<Result<HostAddresses>> Resolver::Waiter::Take() {
  if (process_ != ProcessNumber()) return std::nullopt;
  const std::lock_guard<std::mutex> lock(resolver_->mutex_);
  if (!query_->done) return std::nullopt;
  resolver_->Forget(host_, query_);
  return query_->result;
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
