// A connection by libmemcached, see classic_connection.h. Layer: memcached. The only file that knows libmemcached.
#include "src/memcached/classic_connection.h"

#include <libmemcached/memcached.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "src/base/process_number.h"
#include "src/memcached/node_item.h"
#include "src/memcached/node_process.h"

namespace clustered_session {

// The room is for the longest key that each protocol of libmemcached's can announce: 16 bits in the binary one, which
// is more than a line of the other. The key is the last member of memcached_result_st but for its options.
struct ClassicConnection::GuardedResult {
  memcached_result_st result;
  std::array<char, 65536> overrun;
  bool connected = false;  // only then may an allocation fail: libmemcached aborts where one does while it logs in
};

namespace {

// Keeps a connection that is idle from being forgotten by a firewall, and finds out that its node is gone.
constexpr uint64_t kKeepIdleSeconds = 15;

constexpr size_t kKeysMax = 3;  // in one "gets"

// libsasl's plugins share what they keep without locks, unless the program gives them some, which is not ours to do. So
// the logins of a process take turns; one that hangs keeps another waiting for no longer than this.
// Not a mutex: a fork() beside a login leaves it taken in the child, by nobody.
constexpr Duration kLoginTurn = std::chrono::milliseconds(20);
std::atomic<bool> logging_in{false};

// One login's turn, while the object lives, if it wants one.
class LoginTurn {
 public:
  explicit LoginTurn(bool wanted) {
    if (!wanted) return;
    const TimePoint end = std::chrono::steady_clock::now() + kLoginTurn;
    while (!(mine_ = !logging_in.exchange(true, std::memory_order_acquire)) && std::chrono::steady_clock::now() < end) {
      poll(nullptr, 0, 1);
    }
  }
  ~LoginTurn() {
    if (mine_) logging_in.store(false, std::memory_order_release);
  }
  LoginTurn(const LoginTurn&) = delete;
  LoginTurn& operator=(const LoginTurn&) = delete;

 private:
  bool mine_ = false;
};

// What a forked child cannot close: freeing says "quit", and that to the parent's node. Chained by their user data, so
// that nobody takes them for lost.
std::atomic<memcached_st*> left_to_parent{nullptr};

void LeaveToParent(memcached_st* memcached) {
  memcached_st* head = left_to_parent.load();
  do {
    memcached_set_user_data(memcached, head);
  } while (!left_to_parent.compare_exchange_weak(head, memcached));
}

// libmemcached asks for as much memory as a node announces, before it has seen any of it.
bool Believed(size_t size, const void* guarded) {
  return size <= kNodeItemValueSizeMax + 4096 ||
         !static_cast<const ClassicConnection::GuardedResult*>(guarded)->connected;
}

void* Allocate(const memcached_st*, const size_t size, void* guarded) {
  return Believed(size, guarded) ? std::malloc(size) : nullptr;
}

void* Reallocate(const memcached_st*, void* memory, const size_t size, void* guarded) {
  return Believed(size, guarded) ? std::realloc(memory, size) : nullptr;
}

void* AllocateZeroed(const memcached_st*, size_t count, const size_t size, void*) { return std::calloc(count, size); }

// An overrun may make libmemcached think that `guarded`, which is ours, is its own to free.
void Free(const memcached_st*, void* memory, void* guarded) {
  if (memory != guarded) std::free(memory);
}

// What is left until `deadline`, rounded up, in libmemcached's unit. At least 1: it takes 0 for an error.
uint64_t MillisLeft(TimePoint deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<uint64_t>(std::clamp<int64_t>(left.count(), 1, 3600 * 1000));
}

// The node's own words within libmemcached's last message, "(0x...) SERVER ERROR, <words>,  host: ... -> <file>",
// printable.
std::string WordsOf(const memcached_st* memcached, int code) {
  std::string_view text(memcached_last_error_message(memcached));
  text.remove_prefix(std::min(text.find(") "), text.size()));
  text.remove_prefix(std::min<size_t>(2, text.size()));
  if (code == MEMCACHED_SERVER_ERROR) text.remove_prefix(std::min(text.find(", ") + 2, text.size()));
  text = text.substr(0, std::min(text.rfind(",  host: "), text.rfind(",  socket: ")));
  std::string words(text.substr(0, 100));
  std::replace_if(
      words.begin(), words.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return words;
}

memcached_return_t TakeSetting(const memcached_instance_st*, const char* key, size_t key_size, const char* value,
                               size_t value_size, void* item_size_max) {
  if (std::string_view(key, key_size) == "item_size_max") {
    *static_cast<uint64_t*>(item_size_max) = std::strtoull(std::string(value, value_size).c_str(), nullptr, 10);
  }
  return MEMCACHED_SUCCESS;
}

// Blocks every signal but those of the thread's own faults, for as long as it lives. libmemcached 1.1.4 subtracts the
// time it has waited anew at each interruption: two signals in one wait can make that wait endless. What arrives is
// delivered when this ends.
class SignalBlock {
 public:
  SignalBlock() {
    sigset_t all;
    sigfillset(&all);
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

ClassicConnection::ClassicConnection() = default;

ClassicConnection::~ClassicConnection() { Drop(); }

void ClassicConnection::SetPollTimeout(TimePoint deadline) {
  const std::lock_guard<std::mutex> lock(mutex_);
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, interrupted_ ? 0 : MillisLeft(deadline));
}

// libmemcached looks at its timeout before each poll, and takes 0 for one that is over. It is the one thing that a
// second thread ever does to a handle: a number of 32 bits, stored at once.
void ClassicConnection::Interrupt() {
  const std::lock_guard<std::mutex> lock(mutex_);
  interrupted_ = true;
  if (memcached_ != nullptr) std::atomic_ref<int32_t>(memcached_->poll_timeout).store(0, std::memory_order_relaxed);
}

bool ClassicConnection::Create(const NodeTarget& target, const std::string& host) {
  memcached_st* const memcached = memcached_create(nullptr);
  if (memcached == nullptr) return false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    memcached_ = memcached;
  }
  process_ = ProcessNumber();
  result_ = std::make_unique<GuardedResult>();
  memcached_set_memory_allocators(memcached_, Allocate, Free, Reallocate, AllocateZeroed, result_.get());
  if (memcached_result_create(memcached_, &result_->result) == nullptr) return false;
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL,
                         target.credentials.method == Authentication::kSasl ? 1 : 0);
  // Two small commands in a row must not wait for each other's acknowledgement.
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_TCP_KEEPALIVE, 1);
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_TCP_KEEPIDLE, kKeepIdleSeconds);
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
  // No waiting of its own before it connects: NodeHealth decides whether to ask a node at all.
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, 0);
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_DEAD_TIMEOUT, 0);
  return (target.address.is_unix()
              ? memcached_server_add_unix_socket(memcached_, host.c_str())
              : memcached_server_add(memcached_, host.c_str(), target.address.port)) == MEMCACHED_SUCCESS;
}

// The first command connects. With a password of the text protocol, its acknowledgement is waited for.
int ClassicConnection::LogIn(const NodeCredentials& credentials, TimePoint deadline) {
  if (authenticates_ && credentials.method == Authentication::kText) {
    ++login_waits_;
    const std::string secret = credentials.username + ' ' + credentials.password;
    SetPollTimeout(deadline);
    const int code = memcached_set(memcached_, kCredentialsKey.data(), kCredentialsKey.size(), secret.data(),
                                   secret.size(), kNodeItemGoneAtOnce, 0);
    if (code != MEMCACHED_SUCCESS) return code;
  }
  return Store(kSentinelKey, RandomSentinel(), 0, 0, deadline);
}

ClassicStatus ClassicConnection::Open(const NodeTarget& target, const std::string& host, TimePoint connect_deadline,
                                      TimePoint deadline) {
  const bool sasl = target.credentials.method == Authentication::kSasl;
  login_waits_ = 0;
  if (sasl && target.address.is_unix()) {
    return {NodeFailure::kLocal, "cannot log in: libmemcached has SASL over TCP only, not over a unix socket"};
  }
  bool knows_sasl = true;
  ClassicStatus status = OpenOnce(target, sasl, host, {connect_deadline, deadline}, &knows_sasl);
  return knows_sasl ? status : OpenOnce(target, false, host, {connect_deadline, deadline}, &knows_sasl);
}

ClassicStatus ClassicConnection::OpenOnce(const NodeTarget& target, bool with_sasl, const std::string& host,
                                          const Deadlines& deadlines, bool* knows_sasl) {
  const NodeCredentials& credentials = target.credentials;
  authenticates_ = !credentials.username.empty();
  if (!Create(target, host)) {
    Drop();
    return {NodeFailure::kLocal, "not an address libmemcached accepts"};
  }
  if (with_sasl) {
    login_waits_ += 2;  // for the list of mechanisms, and for the answer of the simplest one
    memcached_set_sasl_auth_data(memcached_, credentials.username.c_str(), credentials.password.c_str());
  }
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, MillisLeft(deadlines.connect));
  const int code = [&] {
    const LoginTurn turn(with_sasl);
    return LogIn(credentials, deadlines.all);
  }();
  if (code == MEMCACHED_SUCCESS) {
    result_->connected = true;
    used_at_ = std::chrono::steady_clock::now();
    return {};
  }
  // A node that does not know SASL says so to the first question, and libmemcached gives up.
  if (with_sasl && code == MEMCACHED_UNKNOWN_READ_FAILURE) *knows_sasl = false;
  ClassicStatus status = OpenStatus(code, deadlines);
  Drop();
  return status;
}

ClassicStatus ClassicConnection::OpenStatus(int code, const Deadlines& deadlines) const {
  const int system_error = memcached_last_error_errno(memcached_);
  const std::string system_message = std::generic_category().message(system_error);
  if (code == MEMCACHED_AUTH_FAILURE || code == MEMCACHED_CLIENT_ERROR) return Refused();
  if (code == MEMCACHED_AUTH_PROBLEM) {
    return {NodeFailure::kCredentials, "cannot log in: " + WordsOf(memcached_, MEMCACHED_SERVER_ERROR)};
  }
  if (system_error == EACCES || system_error == EPERM) {
    return {NodeFailure::kPermission, "cannot connect: " + system_message};
  }
  if (system_error == EMFILE || system_error == ENFILE || system_error == ENOMEM) {
    return {NodeFailure::kLocal, "cannot connect: " + system_message};
  }
  // Only a login waits longer than for the connection.
  const TimePoint now = std::chrono::steady_clock::now();
  const bool at_login = authenticates_ && deadlines.connect < deadlines.all && now >= deadlines.all;
  if (code == MEMCACHED_TIMEOUT && at_login) return {NodeFailure::kTimeout, "no answer"};
  if (code == MEMCACHED_TIMEOUT || (!authenticates_ && now >= deadlines.connect)) {
    return {NodeFailure::kConnectTimeout, "connect timed out"};
  }
  if (system_error == ECONNRESET || system_error == EPIPE || system_error == 0) return StatusOf(code, false);
  return {NodeFailure::kConnectRefused, "cannot connect: " + system_message};
}

bool ClassicConnection::OpenHere() const { return open() && process_ == ProcessNumber(); }

int ClassicConnection::Store(std::string_view key, std::string_view value, int64_t expiration, uint64_t cas,
                             TimePoint deadline) {
  SetPollTimeout(deadline);
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_NOREPLY, 1);
  const int code =
      cas == 0 ? memcached_add(memcached_, key.data(), key.size(), value.data(), value.size(), expiration, 0)
               : memcached_cas(memcached_, key.data(), key.size(), value.data(), value.size(), expiration, 0, cas);
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_NOREPLY, 0);
  return code;
}

ClassicStatus ClassicConnection::SendStore(std::string_view key, std::string_view value, int64_t expiration,
                                           uint64_t cas, TimePoint deadline) {
  return StatusOf(Store(key, value, expiration, cas, deadline), true);
}

ClassicStatus ClassicConnection::SendGets(std::span<const std::string_view> keys, TimePoint deadline) {
  std::array<const char*, kKeysMax> data;
  std::array<size_t, kKeysMax> sizes;
  const size_t count = std::min(keys.size(), kKeysMax);
  for (size_t i = 0; i < count; ++i) {
    data[i] = keys[i].data();
    sizes[i] = keys[i].size();
  }
  SetPollTimeout(deadline);
  return StatusOf(memcached_mget(memcached_, data.data(), sizes.data(), count), true);
}

ClassicStatus ClassicConnection::Fetch(std::span<const std::string_view> keys, TimePoint deadline,
                                       std::vector<ClassicItem>* items) {
  ClassicStatus garbage = {NodeFailure::kGarbage, std::string(kGarbageText)};
  memcached_result_st* const result = &result_->result;
  SetPollTimeout(deadline);
  memcached_return_t code = MEMCACHED_SUCCESS;
  memcached_result_reset(result);  // some lines that are no item leave it as it is
  while (memcached_fetch_result(memcached_, result, &code) != nullptr) {
    if (memcached_result_key_length(result) > kNodeItemKeyLengthMax) {
      result->options = {false, true};  // overrun, with what is behind it
      return garbage;
    }
    const std::string_view key(memcached_result_key_value(result), memcached_result_key_length(result));
    const bool twice =
        std::any_of(items->begin(), items->end(), [&](const ClassicItem& item) { return item.key == key; });
    if (twice || std::find(keys.begin(), keys.end(), key) == keys.end()) return garbage;
    items->push_back({std::string(key), std::string(memcached_result_value(result), memcached_result_length(result)),
                      memcached_result_cas(result)});
  }
  used_at_ = std::chrono::steady_clock::now();
  if (code == MEMCACHED_END) return {};
  // With no item, whatever was answered is MEMCACHED_NOTFOUND; some errors are kept, others are not.
  if (code == MEMCACHED_NOTFOUND) code = memcached_last_error(memcached_);
  if (code == MEMCACHED_SUCCESS)
    return {NodeFailure::kErrorAnswer, "answered nothing, or an error, to what it must have", true};
  ClassicStatus status = StatusOf(code, false);
  if (status.failure == NodeFailure::kTimeout && !items->empty()) status.what = "no complete answer";
  return status;
}

// `sending`: nothing was waited for yet but room to send.
ClassicStatus ClassicConnection::StatusOf(int code, bool sending) const {
  if (code == MEMCACHED_SUCCESS) return {};
  const int system_error = memcached_last_error_errno(memcached_);
  const std::string cause = system_error > 0 ? ": " + std::generic_category().message(system_error) : std::string();
  if (code == MEMCACHED_TIMEOUT) return {NodeFailure::kTimeout, sending ? "cannot send: no room" : "no answer"};
  if (sending) return {NodeFailure::kClosed, "cannot send" + cause};
  if (code == MEMCACHED_CONNECTION_FAILURE || system_error > 0) {
    return {NodeFailure::kClosed, "closed the connection" + cause};
  }
  if (code == MEMCACHED_AUTH_FAILURE) return Refused();
  if (code != MEMCACHED_CLIENT_ERROR && code != MEMCACHED_SERVER_ERROR) {
    return {NodeFailure::kGarbage, std::string(kGarbageText)};
  }
  code = memcached_last_error(memcached_);
  const std::string line =
      (code == MEMCACHED_CLIENT_ERROR ? "CLIENT_ERROR " : "SERVER_ERROR ") + WordsOf(memcached_, code);
  return IsAuthenticationError(line) ? Refused() : ClassicStatus{NodeFailure::kErrorAnswer, "answered: " + line};
}

ClassicStatus ClassicConnection::Refused() const {
  return {NodeFailure::kCredentials, std::string(CredentialsRefusedText(authenticates_))};
}

uint64_t ClassicConnection::AskItemSizeMax(TimePoint deadline) {
  uint64_t item_size_max = 0;
  SetPollTimeout(deadline);
  // It returns success whatever happens; but a node that has told the setting has answered.
  (void)memcached_stat_execute(memcached_, "settings", TakeSetting, &item_size_max);
  return memcached_last_error(memcached_) == MEMCACHED_SUCCESS ? item_size_max : 0;
}

void ClassicConnection::SendRemove(std::string_view key, uint64_t cas) {
  const SignalBlock block;
  // Nothing is under way, so that there is room for a command as short as this.
  if (Store(key, {}, kNodeItemGoneAtOnce, cas, std::chrono::steady_clock::now()) != MEMCACHED_SUCCESS) Drop();
}

void ClassicConnection::Drop() {
  if (memcached_ == nullptr) return;
  if (process_ != ProcessNumber()) {
    LeaveToParent(std::exchange(memcached_, nullptr));
    (void)result_.release();  // the handle's allocators know it
    return;
  }
  memcached_st* memcached = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    memcached = std::exchange(memcached_, nullptr);
  }
  const SignalBlock block;
  // "quit" is said if there is room for it, and not waited for.
  memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 1);
  result_->result.options = {false, true};
  memcached_result_free(&result_->result);
  memcached_free(memcached);
  result_.reset();
}

bool LibmemcachedUsable(const char** version) {
  const char* const loaded = memcached_lib_version();
  if (version != nullptr) *version = loaded;
  // Earlier ones may return another key's value after a timeout.
  constexpr int kOldest[] = {1, 1, 4};
  const char* rest = loaded;
  for (int oldest : kOldest) {
    char* end = nullptr;
    const long part = std::strtol(rest, &end, 10);
    if (end == rest) return false;
    if (part != oldest) return part > oldest;
    rest = *end == '.' ? end + 1 : end;
  }
  return true;
}

}  // namespace clustered_session
