// MetaConnection: one connection to a node in memcached's text protocol with meta commands, and one flight of commands
// at a time on it. Layer: memcached; for meta_attempt.h and meta_node.h only. Belongs to one thread. Nothing here
// waits: the owner is told what to wait for. After fork() the child sees a closed connection; dropping it there leaves
// the parent's alone.
#ifndef CLUSTERED_SESSION_MEMCACHED_META_CONNECTION_H_
#define CLUSTERED_SESSION_MEMCACHED_META_CONNECTION_H_

#include <poll.h>
#include <sys/uio.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/clock.h"
#include "src/cluster/node.h"
#include "src/memcached/meta_protocol.h"
#include "src/memcached/node_engine.h"
#include "src/memcached/resolver.h"
#include "src/memcached/transport.h"

namespace clustered_session {

// Why a flight has failed.
struct MetaProblem {
  NodeFailure failure = NodeFailure::kNone;
  std::string what;       // without the node's name
  bool lost = false;      // the node closed the connection before it said anything to this flight
  bool not_meta = false;  // the node does not know meta commands
};

struct MetaReply {
  MetaResult result = MetaResult::kMiss;
  std::string value;
  uint64_t cas = 0;
  uint32_t mark = 0;
  int64_t ttl = 0;  // see MetaReplyScan
};

class MetaConnection {
 public:
  explicit MetaConnection(const NodeTarget& target) : target_(target), transport_(target) {}  // lives longer

  // Begins to connect to the first of `hosts` (numeric, or the path of a unix socket) that accepts, and
  // shakes hands where TLS is spoken. The first flight
  // begins with the credentials, if there are any, with adding the sentinel, and with the question whether the node
  // knows meta commands. Closes what was open.
  void Open(const HostAddresses& hosts, TimePoint now, TimePoint deadline);
  // Open in this process, with nothing under way.
  bool usable() const { return state_ == State::kIdle && ours(); }
  bool open() const { return state_ != State::kClosed && state_ != State::kConnecting; }
  bool ours() const;                                 // not of the process that this one was forked from
  const std::string& host() const { return host_; }  // the one that accepted
  TimePoint used_at() const { return used_at_; }     // when it was opened, or the last flight was answered
  bool TakeConnected() { return std::exchange(connected_, false); }  // once after each time it was opened
  bool whole_handshake() const { return transport_.whole_handshake(); }

  // Begins a flight, as soon as the connection is open. REQUIRES: usable(), or opening with no flight under way; the
  // commands' keys and values live until the end of the flight
  void Ask(MetaCommands commands, TimePoint deadline);
  bool under_way() const { return state_ >= State::kConnecting; }
  // After a flight: what went wrong, or the replies in the order of the commands.
  bool failed() const { return problem_.failure != NodeFailure::kNone; }
  const MetaProblem& problem() const { return problem_; }
  MetaReply& reply(size_t index) { return replies_[index]; }
  // Of a list: the whole lines that have come since the last call, also while it is under way.
  std::string TakeLines() { return std::exchange(replies_[0].value, {}); }
  // Whether the node has said something to this flight.
  bool heard() const { return size_ > 0; }

  // See Pollable. REQUIRES: under_way()
  void Postpone(Duration time, TimePoint limit);
  void WaitBriefly();
  // Takes what has arrived, waiting for nothing; of a list no more than kListedMax.
  void TakeArrived(TimePoint now);
  static constexpr size_t kListedMax = 256 << 10;  // bytes, about
  pollfd Wanted() const { return transport_.wanted(); }
  TimePoint deadline() const;
  void Advance(const pollfd& wait, TimePoint polled_at);

  // Sends what has no reply, at once or not at all. False: the connection is closed. REQUIRES: usable()
  bool SendNow(std::string_view text);

  // Closes without a word to the node, so that no late answer can be read. May be called at any time.
  void Drop();

 private:
  enum class State : uint8_t { kClosed, kIdle, kConnecting, kSending, kReceiving };

  void ConnectNext(TimePoint now);
  void TakeConnect(const Io& io, TimePoint now);
  void Connected(TimePoint now);
  void EndBehindValues();
  void AddPart(const char* data, size_t size);
  void Send();
  void Receive(bool soon, TimePoint polled_at);
  void Take(TimePoint now);
  bool TakeGreeting();
  bool TakeListed();
  bool Flows(TimePoint now) const;
  void Expire(TimePoint now);
  void Fail(NodeFailure failure, std::string_view what);
  void FailClosed(int error);
  void FailRefused(const std::string& message);
  bool lists() const { return commands_.size() == 1 && commands_[0].kind == MetaCommand::Kind::kList; }
  bool authenticates() const { return !target_.credentials.username.empty(); }
  std::string_view rest() const { return {input_.data() + offset_, size_ - offset_}; }

  const NodeTarget& target_;
  Transport transport_;
  State state_ = State::kClosed;
  uint64_t process_ = 0;  // that opened it, by its number among forks
  TimePoint used_at_;
  bool connected_ = false;
  MetaProblem problem_;

  // Connecting.
  HostAddresses hosts_;
  size_t next_host_ = 0;
  std::string host_;
  SocketAddress address_;
  TimePoint connect_deadline_;
  TimePoint share_;  // of the host that is tried now
  std::string opening_;
  bool greeting_due_ = false;  // nothing was received yet
  bool perhaps_ = false;       // whether it knows meta commands is not sure yet

  // The flight.
  TimePoint deadline_;
  TimePoint flow_limit_;               // to which that may be put off
  std::vector<MetaCommand> commands_;  // none: there is no flight
  std::vector<MetaReply> replies_ = std::vector<MetaReply>(1);
  size_t replied_ = 0;
  uint32_t sent_ = 0;  // commands on this connection
  std::string lines_;
  std::vector<iovec> parts_;
  std::vector<bool> ends_;  // those behind which nothing may be sent with them, see EndBehindValues()
  size_t part_ = 0;         // the first that is not sent
  std::string input_;       // what was received
  size_t size_ = 0;         // of that
  size_t offset_ = 0;       // in that, where the next reply begins
  size_t wanted_ = 0;       // of that, at least, to get on
  size_t flowed_ = 0;       // of size_, when the deadline was last put off for what is on its way
  TimePoint received_at_;   // about when the last of it came
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_META_CONNECTION_H_
