// One connection to one memcached node. Layer: cluster; for memcached_node.cc only. memcached_connection.cc is the only
// file that knows libmemcached. Belongs to one thread; after fork() the child's calls see a closed connection, and
// dropping it there does not touch the parent's.
#ifndef CLUSTERED_SESSION_CLUSTER_MEMCACHED_CONNECTION_H_
#define CLUSTERED_SESSION_CLUSTER_MEMCACHED_CONNECTION_H_

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/clock.h"
#include "src/base/result.h"
#include "src/base/save_path.h"
#include "src/cluster/memcached_socket.h"

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

inline constexpr size_t kSentUnblockedMax = 2048;  // bytes; no send buffer is smaller

struct MemcachedItem {
  std::string key;
  std::string value;
  uint64_t cas = 0;
};

struct MemcachedAnswer {
  bool ok = false;
  std::vector<MemcachedItem> items;  // of the keys asked for, those that exist
  std::string error;                 // if not ok: what happened, without the node's name
  bool lost = false;                 // not ok: the node closed the connection before it answered anything
};

class MemcachedConnection {
 public:
  MemcachedConnection() = default;
  ~MemcachedConnection() { Drop(); }
  MemcachedConnection(const MemcachedConnection&) = delete;
  MemcachedConnection& operator=(const MemcachedConnection&) = delete;

  // Connects to the first of the node's addresses that accepts, and sends "add key value" as the first command, or the
  // second after `credentials`, if there are any. Whether they were taken is told by the first answer.
  // Names are resolved by getaddrinfo(), whose time is the resolver's and not bounded here; connecting is.
  // The error says what happened, without the node's name. REQUIRES: !connected()
  Status Open(const NodeAddress& address, const NodeCredentials& credentials, TimePoint deadline, std::string_view key,
              std::string_view value);

  // Open in this process, and with nothing to read: a node that went away is noticed here without a wait.
  bool Usable() const;
  bool connected() const { return memcached_ != nullptr; }

  // Send and do not wait for anything; false if the connection failed. A conditional write has no answer of its own.
  // REQUIRES: connected()
  bool SendAdd(std::string_view key, std::string_view value, int64_t expiration, TimePoint deadline);
  bool SendCas(std::string_view key, std::string_view value, int64_t expiration, uint64_t cas, TimePoint deadline);
  bool SendGets(Keys keys, TimePoint deadline);

  // Holds back what is sent in between, so that it leaves at once. Both are cheap.
  void BeginFlight() { socket_.Cork(true); }
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

  Status OpenOne(const NodeAddress& address, const NodeCredentials& credentials, const std::string& host,
                 TimePoint deadline, std::string_view key, std::string_view value);
  void ReceiveLarge(Keys keys, TimePoint deadline, MemcachedAnswer* answer);
  void SetError(const WaitResult& wait, MemcachedAnswer* answer) const;
  void FetchAll(MemcachedAnswer* answer);
  bool Send(Verb verb, std::string_view key, std::string_view value, int64_t expiration, uint64_t cas,
            TimePoint deadline);
  bool SendCredentials(const NodeCredentials& credentials, TimePoint deadline);

  memcached_st* memcached_ = nullptr;
  MemcachedSocket socket_;
  uint64_t process_ = 0;        // that opened it, by its number among forks
  bool authenticates_ = false;  // credentials were sent
  bool greeting_due_ = false;   // and not yet acknowledged
  bool spent_ = false;          // libmemcached waits for an answer that will never come: not to be used again
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_MEMCACHED_CONNECTION_H_
