// One connection to one memcached node. Layer: cluster; for memcached_node.cc only. memcached_connection.cc is the only
// file that knows libmemcached; memcached_flight.cc has what it cannot do, and memcached_sasl.cc connections that do
// without it. Belongs to one thread; after fork() the child's calls see a closed connection, and dropping it there does
// not touch the parent's.
#ifndef CLUSTERED_SESSION_CLUSTER_MEMCACHED_CONNECTION_H_
#define CLUSTERED_SESSION_CLUSTER_MEMCACHED_CONNECTION_H_

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/clock.h"
#include "src/base/result.h"
#include "src/base/save_path.h"
#include "src/cluster/memcached_command.h"
#include "src/cluster/memcached_socket.h"
#include "src/cluster/node.h"

struct memcached_st;

namespace clustered_session {

struct NodeCredentials;

// Blocks every signal that is not a fault of the thread itself. libmemcached 1.1.4 subtracts the time it has waited
// anew at each interruption, so that two signals in one wait may make it endless. What arrives is delivered when this
// ends. Needed around what may wait in libmemcached, which is Open(), Drop(), and sending more than kSentUnblockedMax
// bytes: less than that finds room, as nothing is sent before the last answer has come, which says that all was read.
class SignalBlock {
 public:
  SignalBlock();
  ~SignalBlock();
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t before_;
};

// An expiration, a time of 1970, that makes an item which is gone at once. (-1 would, too, but is not in the grammar of
// some proxies.)
inline constexpr int64_t kGoneAtOnce = 30 * 24 * 3600 + 1;

inline constexpr size_t kSentUnblockedMax = 2048;  // bytes; no send buffer is smaller

struct MemcachedItem {
  std::string key;
  std::string value;
  uint64_t cas = 0;
};

// What a flight has brought.
struct FlightResult {
  bool ok = false;
  std::string error;  // if not ok: what happened, without the node's name
  bool lost = false;  // not ok: the node closed the connection before it answered anything
  NodeFailure failure = NodeFailure::kNone;  // if not ok
};

struct MemcachedAnswer : FlightResult {
  std::vector<MemcachedItem> items;  // of the keys asked for, those that exist
};

class MemcachedConnection {
 public:
  MemcachedConnection() = default;
  ~MemcachedConnection() { Drop(); }
  MemcachedConnection(const MemcachedConnection&) = delete;
  MemcachedConnection& operator=(const MemcachedConnection&) = delete;

  // Connects to the first of `hosts` (numeric, or the path of the node's unix socket) that accepts, and sends
  // `credentials`, if there are any, and "add key value". Unless `plain`, the first flight begins with the question
  // whether the node knows meta commands. What it says to this and to the credentials comes before the first answer.
  // With SASL credentials all this is said in the binary protocol, leaves together with the first flight, and is
  // answered before it.
  // The error says what happened, without the node's name. REQUIRES: !connected()
  Status Open(const NodeAddress& address, const std::vector<std::string>& hosts, const NodeCredentials& credentials,
              bool plain, TimePoint deadline, std::string_view key, std::string_view value);
  const std::string& host() const { return host_; }  // the one that accepted

  // Open in this process; if it does not speak meta, also with nothing to read, so that a node that went away is noticed
  // without a wait.
  bool Usable() const;
  bool connected() const { return memcached_ != nullptr || protocol_ == Protocol::kBinary; }

  // Whether flights of numbered commands take the place of what follows below: if the node has said, in its first answer
  // on this connection, that it knows meta commands; and from the beginning with SASL credentials.
  bool numbered() const { return protocol_ != Protocol::kPlain; }

  // See MemcachedSocket. REQUIRES: numbered()
  void ReadPatiently(Duration patience) { socket_.ReadPatiently(patience); }

  // Sends the commands and does not wait for their replies. False if the connection failed. A signal does no harm.
  // REQUIRES: numbered(), at most kCommandsMax commands
  bool SendCommands(Commands commands, TimePoint deadline);
  // Waits for the replies, in the order of the commands; that of an offer tells nothing. After anything but ok the caller
  // drops the connection.
  FlightResult ReceiveReplies(Commands commands, std::span<MemcachedReply> replies, TimePoint deadline);
  // Removes an item if it is the one that `cas` names: by a conditional write of nothing that is gone at once, with no
  // answer; in the binary protocol by a command whose reply is skipped.
  bool SendRemove(std::string_view key, uint64_t cas, TimePoint deadline);

  // Send and do not wait for anything; false if the connection failed. A conditional write has no answer of its own.
  // REQUIRES: connected()
  bool SendAdd(std::string_view key, std::string_view value, int64_t expiration, TimePoint deadline);
  bool SendCas(std::string_view key, std::string_view value, int64_t expiration, uint64_t cas, TimePoint deadline);
  bool SendGets(Keys keys, TimePoint deadline);

  // Holds back what is sent in between, so that it leaves at once. Both are cheap.
  void BeginFlight();
  void EndFlight() { socket_.Cork(false); }

  // Waits for the answer to SendGets(keys). After anything but ok the caller drops the connection.
  MemcachedAnswer Receive(Keys keys, TimePoint deadline);

  // The node's item_size_max in bytes, 0 if it does not tell. An error means that the connection is to be dropped.
  Result<uint64_t> AskItemSizeMax(TimePoint deadline);

  // Closes without a word to the node, so that no late answer can be read. May be called at any time.
  void Drop();

  // The system's or libmemcached's word for what failed last.
  std::string LastError() const;

 private:
  enum class Verb : uint8_t { kSet, kAdd, kCas };
  enum class Protocol : uint8_t {
    kPlain,   // the text protocol, by libmemcached
    kMeta,    // the text protocol with meta commands
    kBinary,  // the binary protocol, with no libmemcached
  };
  struct Received;

  bool OpenHere() const;  // and not in the process that this one was forked from

  Status OpenOne(const NodeAddress& address, const NodeCredentials& credentials, bool plain, const std::string& host,
                 TimePoint deadline, std::string_view key, std::string_view value);
  Status OpenBinary(const NodeAddress& address, const NodeCredentials& credentials, const std::string& host,
                    TimePoint deadline, std::string_view key, std::string_view value);
  Result<uint64_t> AskBinarySettings(TimePoint deadline);
  bool Replies(const MemcachedCommand& command) const { return protocol_ == Protocol::kBinary || HasReply(command); }
  WaitResult SkipOwed(size_t commands, Received* received);
  void ReceiveLarge(Keys keys, TimePoint deadline, MemcachedAnswer* answer);
  WaitResult TakeReplies(Commands commands, std::span<MemcachedReply> replies, Received* received);
  std::string ErrorOf(const WaitResult& wait) const;
  static NodeFailure FailureOf(const WaitResult& wait);
  void SetError(const WaitResult& wait, FlightResult* result) const;
  void FetchAll(MemcachedAnswer* answer);
  bool Send(Verb verb, std::string_view key, std::string_view value, int64_t expiration, uint64_t cas,
            TimePoint deadline);
  bool SendCredentials(const NodeCredentials& credentials, TimePoint deadline);

  memcached_st* memcached_ = nullptr;
  MemcachedSocket socket_;
  std::string host_;
  uint64_t process_ = 0;        // that opened it, by its number among forks
  bool authenticates_ = false;  // credentials were sent
  std::string question_;        // whether it knows meta commands, to be asked
  bool asked_ = false;          // that
  bool greeting_due_ = false;   // nothing was received yet
  Protocol protocol_ = Protocol::kPlain;
  uint32_t sent_ = 0;           // numbered commands
  uint32_t owed_ = 0;           // replies to these that nobody waits for, before those of the next flight
  std::string opening_;         // what the first flight of a binary connection begins with
  int send_errno_ = 0;          // of the last of these that failed
  bool spent_ = false;          // libmemcached waits for an answer that will never come: not to be used again
  std::string lines_;           // of the commands of a flight
  std::string input_;           // what was received of the replies to one
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_MEMCACHED_CONNECTION_H_
