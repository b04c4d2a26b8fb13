// A command of a flight and what the node says to it, whatever the protocol it is said in. Layer: cluster; for
// memcached_node.cc, memcached_connection.cc and the protocols beside them.
#ifndef CLUSTERED_SESSION_CLUSTER_MEMCACHED_COMMAND_H_
#define CLUSTERED_SESSION_CLUSTER_MEMCACHED_COMMAND_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "src/cluster/memcached_answer.h"

namespace clustered_session {

// The views must live until the replies are there.
struct MemcachedCommand {
  enum class Kind : uint8_t {
    kGet,
    kStore,  // if the item is the one that `cas` names; if that is 0, if there is none
    kOffer,  // stores if there is no item; a get behind it shows whose it is
  };
  Kind kind = Kind::kGet;
  std::string_view key;
  std::string_view value;
  int64_t expiration = 0;  // as memcached takes it
  uint64_t cas = 0;
  uint32_t mark = 0;  // of kStore: memcached's client flags, by which the item is known again; another with each store
};

enum class CommandResult : uint8_t {
  kHit,      // get: `value` and `cas`
  kMiss,     // get
  kStored,   // store: `cas` is the new item's
  kOther,    // store: another item is there; it is not shown
  kGone,     // store: the item that `cas` named is there no more
  kRefused,  // store: the node did not store it, for what `message` says; `cas` is of the item that stayed, or 0, or
             // where it is not shown, the one that was expected
};

struct MemcachedReply {
  CommandResult result = CommandResult::kMiss;
  std::string value;
  uint64_t cas = 0;
  std::string message;
};

// The reply to one command at the start of what has been received; more may follow it. `size`: of
// the reply; kIncomplete: at least so many bytes are needed. `message`: of kRefused, and of a store that is
// CommandResult::kRefused.
struct ReplyScan : AnswerScan {
  CommandResult result = CommandResult::kMiss;
  std::string_view value;  // into the bytes
  uint64_t cas = 0;
};

using Commands = std::span<const MemcachedCommand>;
inline constexpr size_t kCommandsMax = 4;  // in one flight

inline bool HasValue(const MemcachedCommand& command) { return command.kind != MemcachedCommand::Kind::kGet; }
// In the text protocol; in the binary one all have.
inline bool HasReply(const MemcachedCommand& command) { return command.kind != MemcachedCommand::Kind::kOffer; }

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_MEMCACHED_COMMAND_H_
