// A connection to a node over libmemcached, see memcached_connection.h. Layer: cluster. The only file that knows it.
#include "src/cluster/memcached_connection.h"

#include <libmemcached/memcached.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "src/cluster/memcached_meta.h"
#include "src/cluster/memcached_node.h"
#include "src/cluster/owned_sockets.h"

namespace clustered_session {
namespace {

// memcached -Y takes the value of the first "set" of a connection for "user password", whatever its key.
// A node that does not ask for them stores the value instead: it is gone at once.
constexpr std::string_view kCredentialsKey = "cs:credentials";

// What is left until `deadline`, rounded up, in libmemcached's unit. At least 1: it takes 0 for an error.
uint64_t MillisLeft(TimePoint deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<uint64_t>(std::clamp<int64_t>(left.count(), 1, 3600 * 1000));
}

memcached_st* Create(const NodeAddress& address, const std::string& host, TimePoint deadline) {
  memcached_st* memcached = memcached_create(nullptr);
  if (memcached == nullptr) return nullptr;
  // TCP_NODELAY: two small commands in a row must not wait for each other's acknowledgement.
  memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
  memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
  // No waiting out of its own: whether to ask a node at all is decided by NodeHealth. (A handle lives as long as its
  // connection, so that nothing of this kind outlives a failure anyway.)
  memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, 0);
  memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_DEAD_TIMEOUT, 0);
  memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, MillisLeft(deadline));
  const memcached_return_t added = address.is_unix()
                                       ? memcached_server_add_unix_socket(memcached, host.c_str())
                                       : memcached_server_add(memcached, host.c_str(), address.port);
  if (added != MEMCACHED_SUCCESS) {
    memcached_free(memcached);
    return nullptr;
  }
  return memcached;
}

}  // namespace

SignalBlock::SignalBlock() {
  sigset_t all;
  sigfillset(&all);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, &before_);
}

SignalBlock::~SignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

Status MemcachedConnection::Open(const NodeAddress& address, const std::vector<std::string>& hosts,
                                 const NodeCredentials& credentials, bool plain, TimePoint deadline,
                                 std::string_view key, std::string_view value) {
  Status status = Error(ErrorCode::kInvalidArgument, "no address to connect to");
  for (size_t i = 0; i < hosts.size(); ++i) {
    // A fair share for each address: the first may be a black hole.
    const TimePoint now = std::chrono::steady_clock::now();
    const TimePoint share = now + (deadline - now) / static_cast<int64_t>(hosts.size() - i);
    if (i > 0 && now >= deadline) break;
    status = credentials.method == Authentication::kSasl
                 ? OpenBinary(address, credentials, hosts[i], share, key, value)
                 : OpenOne(address, credentials, plain, hosts[i], share, key, value);
    if (!status.ok()) continue;
    host_ = hosts[i];
    break;
  }
  return status;
}

Status MemcachedConnection::OpenOne(const NodeAddress& address, const NodeCredentials& credentials, bool plain,
                                    const std::string& host, TimePoint deadline, std::string_view key,
                                    std::string_view value) {
  const OpenLock lock(deadline);
  if (!lock.held()) return Error(ErrorCode::kTimeout, "connect timed out (other threads are connecting)");
  memcached_ = Create(address, host, deadline);
  if (memcached_ == nullptr) return Error(ErrorCode::kInvalidArgument, "not an address libmemcached accepts");
  process_ = ProcessNumber();
  spent_ = false;
  const int next = MemcachedSocket::NextDescriptor();
  authenticates_ = !credentials.username.empty();
  greeting_due_ = true;
  asked_ = false;
  if ((authenticates_ && !SendCredentials(credentials, deadline)) || !SendAdd(key, value, 0, deadline)) {
    const bool timed_out = std::chrono::steady_clock::now() >= deadline;
    Status status = timed_out ? Error(ErrorCode::kTimeout, "connect timed out")
                              : Error(ErrorCode::kUnavailable, "cannot connect: " + LastError());
    Drop();
    return status;
  }
  std::set<ino_t>& owned = OwnedSockets();
  const uint16_t port = memcached_server_srcport(memcached_server_instance_by_position(memcached_, 0));
  const bool closed = port == 0 && !address.is_unix();  // already
  if (closed || !socket_.Find(next, port, address.unix_path, [&](ino_t each) { return owned.count(each) > 0; })) {
    Drop();
    return closed ? Error(ErrorCode::kUnavailable, "closed the connection")
                  : Error(ErrorCode::kInternal, "cannot find the connection's socket");
  }
  owned.insert(socket_.inode());
  question_ = plain ? std::string() : MetaQuestion(key);
  return Status::Ok();
}

bool MemcachedConnection::OpenHere() const { return connected() && process_ == ProcessNumber(); }

bool MemcachedConnection::Usable() const {
  // What a connection of numbered commands brings unasked is noticed when the next reply is looked at.
  return OpenHere() && !spent_ && (numbered() || socket_.Idle());
}

bool MemcachedConnection::Send(Verb verb, std::string_view key, std::string_view value, int64_t expiration,
                               uint64_t cas, TimePoint deadline) {
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, MillisLeft(deadline));
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_NOREPLY, 1);
  memcached_return_t code = MEMCACHED_FAILURE;
  switch (verb) {
    case Verb::kSet:
      code = memcached_set(memcached_, key.data(), key.size(), value.data(), value.size(), expiration, 0);
      break;
    case Verb::kAdd:
      code = memcached_add(memcached_, key.data(), key.size(), value.data(), value.size(), expiration, 0);
      break;
    case Verb::kCas:
      code = memcached_cas(memcached_, key.data(), key.size(), value.data(), value.size(), expiration, 0, cas);
      break;
  }
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_NOREPLY, 0);
  return code == MEMCACHED_SUCCESS;
}

void MemcachedConnection::BeginFlight() {
  socket_.Cork(true);
  if (question_.empty()) return;
  asked_ = socket_.SendAll(question_);  // if it is closed by now, the wait will tell
  question_.clear();
}

bool MemcachedConnection::SendAdd(std::string_view key, std::string_view value, int64_t expiration,
                                  TimePoint deadline) {
  return Send(Verb::kAdd, key, value, expiration, 0, deadline);
}

bool MemcachedConnection::SendCas(std::string_view key, std::string_view value, int64_t expiration, uint64_t cas,
                                  TimePoint deadline) {
  return Send(Verb::kCas, key, value, expiration, cas, deadline);
}

bool MemcachedConnection::SendCredentials(const NodeCredentials& credentials, TimePoint deadline) {
  return Send(Verb::kSet, kCredentialsKey, credentials.username + ' ' + credentials.password, kGoneAtOnce, 0, deadline);
}

bool MemcachedConnection::SendGets(Keys keys, TimePoint deadline) {
  std::array<const char*, kAskedKeysMax> data;
  std::array<size_t, kAskedKeysMax> sizes;
  const size_t count = std::min(keys.size(), kAskedKeysMax);
  for (size_t i = 0; i < count; ++i) {
    data[i] = keys[i].data();
    sizes[i] = keys[i].size();
  }
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, MillisLeft(deadline));
  return memcached_mget(memcached_, data.data(), sizes.data(), count) == MEMCACHED_SUCCESS;
}

MemcachedAnswer MemcachedConnection::Receive(Keys keys, TimePoint deadline) {
  MemcachedAnswer answer;
  if (!OpenHere()) {
    answer.error = "the connection belongs to another process";
    return answer;
  }
  Greeting greeting;
  const WaitResult wait = socket_.WaitAnswer(deadline, [&](std::string_view bytes) {
    if (!greeting_due_) return ScanGetsAnswer(bytes, keys);
    AnswerScan scan = ScanGreeting(bytes, authenticates_, asked_, &greeting);
    if (scan.state != AnswerState::kComplete) return scan;
    scan = ScanGetsAnswer(bytes.substr(greeting.size), keys);
    scan.size += greeting.size;
    return scan;
  });
  const bool good = wait.outcome == WaitOutcome::kComplete || wait.outcome == WaitOutcome::kLarge;
  if (!good) {
    SetError(wait, &answer);
    return answer;
  }
  if (greeting_due_ && greeting.meta) protocol_ = Protocol::kMeta;
  greeting_due_ = false;
  if (!socket_.Discard(greeting.size)) {
    answer.error = "cannot read";
  } else if (wait.outcome == WaitOutcome::kLarge) {
    ReceiveLarge(keys, deadline, &answer);
  } else {
    memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, MillisLeft(deadline));
    FetchAll(&answer);
  }
  return answer;
}

std::string MemcachedConnection::ErrorOf(const WaitResult& wait) const {
  switch (wait.outcome) {
    case WaitOutcome::kComplete:
    case WaitOutcome::kLarge:
      return {};
    case WaitOutcome::kTimeout:
      return wait.received == 0 ? "no answer" : "no complete answer";
    case WaitOutcome::kClosed:
      return (wait.received == 0 ? "closed the connection" : "closed the connection in the middle of an answer") +
             (wait.message.empty() ? std::string() : ": " + wait.message);
    case WaitOutcome::kRefused:
      if (!IsAuthenticationError(wait.message)) return "answered: " + wait.message;
      [[fallthrough]];
    case WaitOutcome::kDenied:
      return authenticates_ ? "refused the user name or password (clustered_session.username)"
                            : "asks for a user name and a password (clustered_session.username is not set)";
    case WaitOutcome::kGarbage:
      break;
  }
  return "answered something else than memcached's protocol or what was asked for";
}

NodeFailure MemcachedConnection::FailureOf(const WaitResult& wait) {
  switch (wait.outcome) {
    case WaitOutcome::kComplete:
    case WaitOutcome::kLarge:
      return NodeFailure::kNone;
    case WaitOutcome::kTimeout:
      return NodeFailure::kTimeout;
    case WaitOutcome::kClosed:
      return NodeFailure::kClosed;
    case WaitOutcome::kRefused:
      return IsAuthenticationError(wait.message) ? NodeFailure::kCredentials : NodeFailure::kErrorAnswer;
    case WaitOutcome::kDenied:
      return NodeFailure::kCredentials;
    case WaitOutcome::kGarbage:
      break;
  }
  return NodeFailure::kGarbage;
}

void MemcachedConnection::SetError(const WaitResult& wait, FlightResult* result) const {
  result->error = ErrorOf(wait);
  result->failure = FailureOf(wait);
  result->lost = wait.outcome == WaitOutcome::kClosed && wait.received == 0;
}

// libmemcached would read it with a timeout per poll(), which a node that drips it byte by byte never meets. So it is
// read here, and libmemcached is told that nothing was found.
void MemcachedConnection::ReceiveLarge(Keys keys, TimePoint deadline,
                                       MemcachedAnswer* answer) {
  std::string bytes;
  std::vector<AnswerItem> items;
  const WaitResult wait = socket_.ReadAnswer(
      deadline, [&](std::string_view seen) { return ScanGetsAnswer(seen, keys, &items); }, &bytes);
  if (wait.outcome != WaitOutcome::kComplete) {
    SetError(wait, answer);
    answer->lost = false;  // some of it had been seen
    return;
  }
  (void)ScanGetsAnswer(bytes, keys, &items);  // the views into the bytes as they are now
  for (const AnswerItem& item : items) {
    answer->items.push_back({std::string(item.key), std::string(item.value), item.cas});
  }
  answer->ok = true;
  memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 1);
  MemcachedAnswer none;
  spent_ = !socket_.FeedInstead("END\r\n", [&] { FetchAll(&none); }) || !none.ok;
}

void MemcachedConnection::FetchAll(MemcachedAnswer* answer) {
  memcached_result_st result;
  memcached_result_create(memcached_, &result);
  memcached_return_t code = MEMCACHED_SUCCESS;
  while (memcached_fetch_result(memcached_, &result, &code) != nullptr) {
    MemcachedItem& item = answer->items.emplace_back();
    item.key.assign(memcached_result_key_value(&result), memcached_result_key_length(&result));
    item.value.assign(memcached_result_value(&result), memcached_result_length(&result));
    item.cas = memcached_result_cas(&result);
  }
  memcached_result_free(&result);
  answer->ok = code == MEMCACHED_END || code == MEMCACHED_NOTFOUND;
  if (!answer->ok) answer->error = "reading the answer failed: " + LastError();
}

Result<uint64_t> MemcachedConnection::AskItemSizeMax(TimePoint deadline) {
  if (protocol_ == Protocol::kBinary) return AskBinarySettings(deadline);
  if (!socket_.SendAll("stats settings\r\n")) return Error(ErrorCode::kUnavailable, "cannot send");
  uint64_t item_size_max = 0;
  size_t size = 0;
  const WaitResult wait = socket_.WaitAnswer(deadline, [&](std::string_view bytes) {
    AnswerScan scan = ScanStatsAnswer(bytes, &item_size_max);
    size = scan.size;
    return scan;
  });
  // An error line is an answer too: a proxy that does not know the command.
  if (wait.outcome != WaitOutcome::kComplete) return Error(ErrorCode::kUnavailable, "does not tell its settings");
  if (!socket_.Discard(size)) return Error(ErrorCode::kUnavailable, "cannot read");
  return item_size_max;
}

void MemcachedConnection::Drop() {
  if (!connected()) return;
  const SignalBlock block;
  DisownSocket(socket_.inode());
  if (protocol_ == Protocol::kBinary) {
    socket_.Close();
  } else if (socket_.Detach()) {
    memcached_free(memcached_);
  } else if (process_ == ProcessNumber()) {
    // Out of descriptors: libmemcached says "quit" and closes. Not a wait, as long as the socket takes six bytes.
    memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 1);
    memcached_free(memcached_);
  }  // else: a forked child without descriptors; leaking the handle is better than "quit" on the parent's connection
  memcached_ = nullptr;
  protocol_ = Protocol::kPlain;
  socket_ = MemcachedSocket();
}

std::string MemcachedConnection::LastError() const {
  if (numbered()) return std::generic_category().message(send_errno_);
  const int system_error = memcached_last_error_errno(memcached_);
  if (system_error > 0) return std::generic_category().message(system_error);
  return memcached_strerror(memcached_, memcached_last_error(memcached_));
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
