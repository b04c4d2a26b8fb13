// Flights of numbered commands, as meta commands or in the binary protocol, see memcached_connection.h. Layer: cluster.
// Goes around libmemcached, which is asked for nothing more on such a connection but to close it.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "src/cluster/memcached_binary.h"
#include "src/cluster/memcached_connection.h"
#include "src/cluster/memcached_meta.h"

namespace clustered_session {
namespace {

constexpr size_t kInputSizeMin = 16 << 10;
constexpr size_t kInputSizeKept = 256 << 10;

// REQUIRES: not kIncomplete
WaitOutcome OutcomeOf(AnswerState state) {
  if (state == AnswerState::kComplete) return WaitOutcome::kComplete;
  if (state == AnswerState::kRefused) return WaitOutcome::kRefused;
  return state == AnswerState::kDenied ? WaitOutcome::kDenied : WaitOutcome::kGarbage;
}

}  // namespace

bool MemcachedConnection::SendCommands(Commands commands, TimePoint deadline) {
  struct Text {
    size_t line_end = 0;  // in lines_
    size_t rest_end = 0;
  };
  const bool binary = protocol_ == Protocol::kBinary;
  std::array<Text, kCommandsMax> texts;
  lines_ = std::move(opening_);
  opening_.clear();
  for (size_t i = 0; i < commands.size(); ++i) {
    ++sent_;
    if (binary) AppendBinary(commands[i], sent_, &lines_);
    if (!binary) AppendLine(commands[i], sent_, &lines_);
    texts[i].line_end = lines_.size();
    if (!binary) AppendRest(commands[i], sent_, &lines_);
    texts[i].rest_end = lines_.size();
  }
  std::array<iovec, 3 * kCommandsMax> parts;
  size_t count = 0;
  size_t begin = 0;
  const auto add = [&](const char* data, size_t size) {
    if (size > 0) parts[count++] = {const_cast<char*>(data), size};
  };
  for (size_t i = 0; i < commands.size(); ++i) {
    add(lines_.data() + begin, texts[i].line_end - begin);
    add(commands[i].value.data(), commands[i].value.size());
    add(lines_.data() + texts[i].line_end, texts[i].rest_end - texts[i].line_end);
    begin = texts[i].rest_end;
  }
  if (socket_.Send({parts.data(), count}, deadline)) return true;
  send_errno_ = errno;
  // A node that refuses the password closes, perhaps before all was sent: what it said is there to be read.
  return owed_ > 0 && send_errno_ != ETIMEDOUT;
}

// How far the replies to a flight have come.
struct MemcachedConnection::Received {
  size_t replies = 0;  // whole ones
  size_t offset = 0;   // in input_, where the next one begins
  size_t size = 0;     // of input_, what was received
  size_t skipped = 0;  // of input_, replies to what was sent before this flight
  size_t wanted = 1;   // of that, at least, to get on; a byte more than that, to see what must not be there

  std::string_view Rest(const std::string& input) const { return {input.data() + offset, size - offset}; }
  bool Pass(const AnswerScan& scan, WaitResult* wait);
};

// Goes past a reply that is whole. False: it is not, and the wait goes on, or ends with what is said of it.
bool MemcachedConnection::Received::Pass(const AnswerScan& scan, WaitResult* wait) {
  if (scan.state == AnswerState::kComplete) {
    offset += scan.size;
    return true;
  }
  if (scan.state == AnswerState::kIncomplete) {
    wanted = offset + scan.size + 1;
    return false;
  }
  wait->outcome = OutcomeOf(scan.state);
  wait->message = scan.message;
  return false;
}

// Goes past the replies that are owed for what was sent before a flight of so many `commands`.
WaitResult MemcachedConnection::SkipOwed(size_t commands, Received* received) {
  WaitResult result;
  result.outcome = WaitOutcome::kComplete;
  while (owed_ > 0) {
    const auto number = static_cast<uint32_t>(sent_ - commands - owed_ + 1);
    if (!received->Pass(ScanBinaryOwed(received->Rest(input_), number), &result)) return result;
    received->skipped = received->offset;
    --owed_;
  }
  return result;
}

// Takes the whole replies from input_. Not kComplete: one is no reply, or an error line, with its message.
WaitResult MemcachedConnection::TakeReplies(Commands commands, std::span<MemcachedReply> replies, Received* received) {
  WaitResult result = SkipOwed(commands.size(), received);
  if (result.outcome != WaitOutcome::kComplete || owed_ > 0) return result;
  while (received->replies < commands.size()) {
    const size_t index = received->replies;
    if (!Replies(commands[index])) {
      ++received->replies;
      continue;
    }
    const auto number = static_cast<uint32_t>(sent_ - commands.size() + 1 + index);
    const std::string_view bytes = received->Rest(input_);
    const ReplyScan reply = protocol_ == Protocol::kBinary ? ScanBinaryReply(bytes, commands[index], number)
                                                           : ScanMetaReply(bytes, commands[index], number);
    if (!received->Pass(reply, &result)) return result;
    replies[index] = {reply.result, std::string(reply.value), reply.cas, reply.message};
    ++received->replies;
  }
  if (received->offset != received->size) result.outcome = WaitOutcome::kGarbage;  // more than was asked for
  return result;
}

FlightResult MemcachedConnection::ReceiveReplies(Commands commands, std::span<MemcachedReply> replies,
                                                 TimePoint deadline) {
  FlightResult result;
  if (!OpenHere()) {
    result.error = "the connection belongs to another process";
    return result;
  }
  Received received;
  WaitResult wait;
  do {
    // No faster than it comes: what a node announces is only believed when it is there.
    const size_t room = std::clamp(received.wanted, kInputSizeMin, 2 * received.size + kInputSizeKept);
    if (input_.size() < room) input_.resize(room);
    wait = socket_.Read(input_.data() + received.size, input_.size() - received.size, deadline);
    received.size += wait.received;
    if (wait.outcome == WaitOutcome::kComplete) wait = TakeReplies(commands, replies, &received);
    wait.received = received.size - received.skipped;
    result.ok = wait.outcome == WaitOutcome::kComplete && received.replies == commands.size();
    // Also where bytes never stop coming, one by one.
    const bool late = !result.ok && std::chrono::steady_clock::now() >= deadline;
    if (late && wait.outcome == WaitOutcome::kComplete) wait.outcome = WaitOutcome::kTimeout;
  } while (!result.ok && wait.outcome == WaitOutcome::kComplete);
  if (!result.ok) SetError(wait, &result);
  if (input_.size() > kInputSizeKept) input_ = std::string();
  return result;
}

bool MemcachedConnection::SendRemove(std::string_view key, uint64_t cas, TimePoint deadline) {
  if (protocol_ == Protocol::kPlain) return SendCas(key, {}, kGoneAtOnce, cas, deadline);
  if (protocol_ == Protocol::kBinary) {
    lines_.clear();
    AppendBinaryRemove(key, cas, ++sent_, &lines_);
    ++owed_;
    return socket_.SendAll(lines_);
  }
  std::string line = "cas ";
  line.append(key).append(" 0 ").append(std::to_string(kGoneAtOnce)).append(" 0 ");
  line.append(std::to_string(cas)).append(" noreply\r\n\r\n");
  return socket_.SendAll(line);
}

}  // namespace clustered_session
