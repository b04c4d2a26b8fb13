// A connection in memcached's meta protocol, see meta_connection.h. Layer: memcached.
#include "src/memcached/meta_connection.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "src/base/process_number.h"
#include "src/memcached/node_item.h"
#include "src/memcached/node_process.h"

namespace clustered_session {
namespace {

constexpr size_t kNumbersLength = 120;  // of a command's line or rest beside the key, at most
constexpr size_t kInputSizeMin = 16 << 10;
constexpr size_t kInputSizeKept = 256 << 10;
// What has arrived is read after the deadline, too. Where so much has come, and the last of it just now, the rest is on
// its way, and has so long to come until it is looked at again.
constexpr size_t kFlowing = 4096;  // bytes
constexpr Duration kFlowTime = std::chrono::milliseconds(10);
constexpr Duration kFlowTimeMax = std::chrono::milliseconds(100);  // after the deadline in all
constexpr size_t kTlsReadAtOnce = 8192;                            // bytes that memcached reads at once, at least
constexpr char kSpeaksTls[] = "speaks TLS: write tls:// before its address in session.save_path";
constexpr std::string_view kLineEnd = "\r\n";
constexpr size_t kPartsAtOnce = 1024;  // IOV_MAX of Linux
constexpr size_t kListedLineMax = 2048;
constexpr Duration kNap = std::chrono::milliseconds(1);

std::string CredentialsText(const NodeCredentials& credentials) {
  const std::string value = credentials.username + ' ' + credentials.password;
  return "set " + std::string(kCredentialsKey) + " 0 " + std::to_string(kNodeItemGoneAtOnce) + ' ' +
         std::to_string(value.size()) + "\r\n" + value + "\r\n";
}

std::string OpeningText(const NodeCredentials& credentials) {
  std::string text;
  if (!credentials.username.empty()) text = CredentialsText(credentials);
  const std::string value = RandomSentinel();
  const MetaCommand offer{MetaCommand::Kind::kOffer, kSentinelKey, value, 0, 0, 0};
  AppendLine(offer, 0, &text);
  text += value;
  AppendRest(offer, 0, &text);
  return text + MetaQuestion(kSentinelKey);
}

// An alert, with which a port of TLS answers what is none.
bool BeginsAsTls(std::string_view answer) { return answer.starts_with("\x15\x03"); }

NodeFailure ConnectFailure(int error) {
  switch (error) {
    case ETIMEDOUT:
      return NodeFailure::kConnectTimeout;
    case EACCES:
    case EPERM:
      return NodeFailure::kPermission;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
      return NodeFailure::kLocal;
    default:
      return NodeFailure::kConnectRefused;
  }
}

}  // namespace

bool MetaConnection::ours() const { return process_ == ProcessNumber(); }

void MetaConnection::Drop() {
  transport_.Close();
  state_ = State::kClosed;
  commands_.clear();
}

void MetaConnection::Fail(NodeFailure failure, std::string_view what) {
  Drop();
  problem_ = {failure, std::string(what), false, false};
}

// -- Connecting -----------------------------------------------------------------------------------------------------

void MetaConnection::Open(const HostAddresses& hosts, TimePoint now, TimePoint deadline) {
  Drop();
  process_ = ProcessNumber();
  problem_ = MetaProblem();
  hosts_ = hosts;
  next_host_ = 0;
  connect_deadline_ = deadline;
  opening_ = OpeningText(target_.credentials);
  greeting_due_ = true;
  perhaps_ = false;
  sent_ = 0;
  state_ = State::kConnecting;
  ConnectNext(now);
}

// Tries the next hosts until one accepts or is waited for. The caller is told of the last one's failure.
void MetaConnection::ConnectNext(TimePoint now) {
  while (state_ == State::kConnecting && next_host_ < hosts_.size()) {
    if (next_host_ > 0 && now >= connect_deadline_) break;
    host_ = hosts_[next_host_];
    // A fair share for each address: the first may be a black hole.
    share_ = now + (connect_deadline_ - now) / static_cast<int64_t>(hosts_.size() - next_host_);
    ++next_host_;
    const Result<SocketAddress> address = ParseSocketAddress(target_.address, host_);
    if (!address.ok()) {
      problem_ = {NodeFailure::kLocal, address.error().message(), false, false};
      continue;
    }
    address_ = *address;
    const Io io = transport_.Connect(address_);
    if (io.state == Io::State::kWait) return;
    TakeConnect(io, now);
  }
  if (state_ != State::kConnecting) return;
  state_ = State::kClosed;
  if (problem_.failure == NodeFailure::kNone) Fail(NodeFailure::kResolve, "cannot connect: no address");
}

// What a call of Connect() has come to that does not wait.
void MetaConnection::TakeConnect(const Io& io, TimePoint now) {
  if (io.state == Io::State::kDone) return Connected(now);
  if (const TlsProblem tls = transport_.problem(); tls.failure != NodeFailure::kNone) {
    problem_ = {tls.failure, tls.what, false, false};
    return;
  }
  const std::string what =
      io.error == ETIMEDOUT ? "connect timed out" : "cannot connect: " + std::generic_category().message(io.error);
  problem_ = {ConnectFailure(io.error), what, false, false};
}

void MetaConnection::Connected(TimePoint now) {
  problem_ = MetaProblem();
  connected_ = true;
  used_at_ = now;
  state_ = State::kIdle;
  if (commands_.empty()) return;
  state_ = State::kSending;
  Send();
}

// -- A flight -------------------------------------------------------------------------------------------------------

void MetaConnection::Ask(MetaCommands commands, TimePoint deadline) {
  if (state_ == State::kClosed) return;  // connecting has failed at once
  problem_ = state_ == State::kConnecting ? problem_ : MetaProblem();
  deadline_ = deadline;
  commands_.assign(commands.begin(), commands.end());
  if (replies_.size() < commands.size()) replies_.resize(commands.size());
  flow_limit_ = deadline + kFlowTimeMax;
  replied_ = size_ = offset_ = wanted_ = flowed_ = 0;
  replies_[0] = {};
  lines_ = std::exchange(opening_, {});
  size_t room = lines_.size();
  for (const MetaCommand& command : commands) room += 2 * (command.key.size() + kNumbersLength);
  lines_.reserve(room);  // parts_ point into it
  part_ = 0;
  parts_.clear();
  size_t begin = 0;
  for (const MetaCommand& command : commands) {
    AppendLine(command, ++sent_, &lines_);
    AddPart(lines_.data() + begin, lines_.size() - begin);
    begin = lines_.size();
    AddPart(command.value.data(), command.value.size());
    AppendRest(command, sent_, &lines_);
    AddPart(lines_.data() + begin, lines_.size() - begin);
    begin = lines_.size();
  }
  if (target_.address.tls) EndBehindValues();
  if (state_ == State::kConnecting) return;
  state_ = State::kSending;
  Send();
}

void MetaConnection::AddPart(const char* data, size_t size) {
  if (size > 0) parts_.push_back({const_cast<char*>(data), size});
}

// memcached with TLS (1.6.18) reads the rest of a large value from OpenSSL, byte for byte. What else was in the same
// record stays there, and memcached waits for more from the socket. So a value ends a record, unless all of the flight
// is read at once.
void MetaConnection::EndBehindValues() {
  ends_.assign(2 * parts_.size(), false);
  size_t size = 0;
  for (const iovec& part : parts_) size += part.iov_len;
  if (size <= kTlsReadAtOnce) return;
  bool behind_value = false;
  for (const iovec& part : std::exchange(parts_, {})) {
    const auto* data = static_cast<const char*>(part.iov_base);
    size_t part_size = part.iov_len;
    const bool of_lines = data >= lines_.data() && data < lines_.data() + lines_.size();
    if (behind_value && of_lines) {
      AddPart(data, kLineEnd.size());
      ends_[parts_.size() - 1] = true;
      data += kLineEnd.size();
      part_size -= kLineEnd.size();
    }
    AddPart(data, part_size);
    behind_value = !of_lines;
  }
}

void MetaConnection::Send() {
  while (part_ < parts_.size()) {
    size_t end = std::min(parts_.size(), part_ + kPartsAtOnce);
    if (target_.address.tls) {
      const size_t last = end;
      for (end = part_ + 1; end < last && !ends_[end - 1];) ++end;
    }
    const Io io = transport_.Send({parts_.data() + part_, end - part_});
    if (io.state == Io::State::kWait) return;
    // A node that refuses the password closes, perhaps before all was sent: what it said is there to be read.
    if (io.state == Io::State::kClosed) break;
    size_t sent = io.size;
    while (part_ < parts_.size() && sent >= parts_[part_].iov_len) sent -= parts_[part_++].iov_len;
    if (sent == 0) continue;
    parts_[part_].iov_base = static_cast<char*>(parts_[part_].iov_base) + sent;
    parts_[part_].iov_len -= sent;
  }
  state_ = State::kReceiving;
}

void MetaConnection::Receive(bool soon, TimePoint polled_at) {
  for (;;) {
    // No faster than it comes: what a node announces is only believed when it is there.
    const size_t room = std::clamp(wanted_, kInputSizeMin, 2 * size_ + kInputSizeKept);
    if (input_.size() < room) input_.resize(room);
    char* const data = input_.data() + size_;
    const size_t free = input_.size() - size_;
    const Io io = transport_.Receive(data, free, soon);
    if (io.state == Io::State::kWait) break;
    if (io.state == Io::State::kClosed) return FailClosed(io.error);
    size_ += io.size;
    Take(polled_at);
    if (state_ != State::kReceiving) return;
    received_at_ = polled_at;
    if (io.size < free || (lists() && replies_[0].value.size() >= kListedMax)) break;
    soon = false;
  }
}

// Goes on past what a new connection begins with. False: it is not whole yet, or the flight has failed.
bool MetaConnection::TakeGreeting() {
  const Greeting greeting = ScanGreeting(rest(), authenticates());
  if (greeting.state == ScanState::kIncomplete) {
    wanted_ = greeting.size + 1;
    return false;
  }
  greeting_due_ = false;
  offset_ += greeting.size;
  perhaps_ = greeting.says == Greeting::Says::kPerhaps;
  if (greeting.says != Greeting::Says::kNot) return true;
  Fail(NodeFailure::kGarbage, "does not know meta commands");
  problem_.not_meta = true;
  return false;
}

// Moves the whole lines that are there to the reply. False: more are to come.
bool MetaConnection::TakeListed() {
  const std::string_view text = rest();
  const size_t whole = text.rfind('\n') + 1;  // 0: none
  replies_[0].value.append(text.substr(0, whole));
  const size_t last = whole == 0 ? 0 : text.substr(0, whole - 1).rfind('\n') + 1;
  const bool over = whole != 0 && !ListGoesOn(text.substr(last, whole - last));
  std::copy(text.begin() + static_cast<ptrdiff_t>(whole), text.end(), input_.begin());
  size_ = text.size() - whole;
  offset_ = 0;
  wanted_ = size_ + 1;
  return over;
}

// Takes the whole replies from what was received.
void MetaConnection::Take(TimePoint now) {
  if (greeting_due_ && !TakeGreeting()) return;
  for (; replied_ < commands_.size(); ++replied_) {
    const MetaCommand& command = commands_[replied_];
    if (!HasReply(command)) continue;
    if (command.kind == MetaCommand::Kind::kList) {
      if (TakeListed()) continue;
      if (size_ < kListedLineMax) return;
      break;
    }
    const auto number = static_cast<uint32_t>(sent_ - commands_.size() + 1 + replied_);
    const MetaReplyScan reply = ScanReply(rest(), command, number);
    if (reply.state == ScanState::kIncomplete) {
      wanted_ = offset_ + reply.size + 1;  // a byte more, to see what must not be there
      return;
    }
    if (reply.state == ScanState::kRefused) return FailRefused(reply.message);
    if (reply.state == ScanState::kGarbage) break;
    offset_ += reply.size;
    replies_[replied_] = {reply.result, std::string(reply.value), reply.cas, reply.mark, reply.ttl};
  }
  if (replied_ < commands_.size() || offset_ != size_) {  // garbage, or more than was asked for
    Fail(NodeFailure::kGarbage, BeginsAsTls({input_.data(), size_}) ? kSpeaksTls : kGarbageText);
    problem_.not_meta = perhaps_;
    return;
  }
  state_ = State::kIdle;
  commands_.clear();
  used_at_ = now;
  perhaps_ = false;
  if (input_.size() > kInputSizeKept) input_ = std::string();
}

// -- What goes wrong ------------------------------------------------------------------------------------------------

void MetaConnection::FailClosed(int error) {
  if (const TlsProblem tls = transport_.problem(); tls.failure != NodeFailure::kNone)
    return Fail(tls.failure, tls.what);
  const bool lost = size_ == 0;
  std::string what = lost ? "closed the connection" : "closed the connection in the middle of an answer";
  if (error != 0) what += ": " + std::generic_category().message(error);
  Fail(NodeFailure::kClosed, what);
  problem_.lost = lost;
}

void MetaConnection::FailRefused(const std::string& message) {
  if (IsAuthenticationError(message)) {
    Fail(NodeFailure::kCredentials, CredentialsRefusedText(authenticates()));
  } else {
    Fail(NodeFailure::kErrorAnswer, "answered: " + message);
  }
  problem_.not_meta = perhaps_;
}

// Whether the deadline is to be put off, for an answer that comes faster than a node that drips sends it.
bool MetaConnection::Flows(TimePoint now) const {
  return state_ == State::kReceiving && size_ >= flowed_ + kFlowing && now - received_at_ <= kFlowTime &&
         now < flow_limit_;
}

void MetaConnection::Expire(TimePoint now) {
  if (Flows(now)) {
    flowed_ = size_;
    deadline_ = std::min(now + kFlowTime, flow_limit_);
    return;
  }
  if (state_ != State::kConnecting) {
    const char* const what = size_ == 0 ? "no answer" : "no complete answer";
    return Fail(NodeFailure::kTimeout, what);
  }
  problem_ = {NodeFailure::kConnectTimeout, transport_.ConnectTimeoutText(), false, false};
  transport_.Close();
  ConnectNext(now);
}

// -- Waiting --------------------------------------------------------------------------------------------------------

TimePoint MetaConnection::deadline() const {
  if (state_ != State::kConnecting) return deadline_;
  const bool naps = transport_.wanted().events == 0;
  return naps ? std::min(share_, std::chrono::steady_clock::now() + kNap) : share_;
}

void MetaConnection::Postpone(Duration time, TimePoint limit) {
  for (TimePoint* each : {&connect_deadline_, &share_, &deadline_, &flow_limit_})
    *each = std::min(*each + time, std::max(*each, limit));
}

void MetaConnection::WaitBriefly() {
  if (state_ == State::kReceiving && !greeting_due_) Receive(true, std::chrono::steady_clock::now());
}

void MetaConnection::TakeArrived(TimePoint now) {
  if (state_ == State::kReceiving) Receive(false, now);
}

void MetaConnection::Advance(const pollfd& wait, TimePoint polled_at) {
  const bool naps = wait.events == 0;
  const TimePoint limit = state_ == State::kConnecting ? share_ : deadline_;
  if (wait.revents == 0 && (!naps || polled_at >= limit)) {
    if (polled_at >= limit) Expire(polled_at);
    return;
  }
  switch (state_) {
    case State::kConnecting: {
      const Io io = transport_.Connect(address_);
      if (io.state == Io::State::kWait) return;
      TakeConnect(io, polled_at);
      if (state_ == State::kConnecting) ConnectNext(polled_at);
      return;
    }
    case State::kSending:
      return Send();
    case State::kReceiving:
      return Receive(false, polled_at);
    case State::kClosed:
    case State::kIdle:
      return;
  }
}

bool MetaConnection::SendNow(std::string_view text) {
  const iovec part{const_cast<char*>(text.data()), text.size()};
  const Io io = transport_.Send({&part, 1});
  if (io.state == Io::State::kDone && io.size == text.size()) return true;
  Drop();
  return false;
}

}  // namespace clustered_session
