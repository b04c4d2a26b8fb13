// memcached's text protocol with meta commands: how commands are said, and what the replies say. Layer: memcached.
// Pure; for meta_connection.cc and meta_attempt.cc.
//
// A store is "cas" or "add", and "mg" without the value behind it. The two replies are two short lines. They tell the
// new item's token, which "cas" alone does not. The item is told from another writer's, who came in between, by its
// mark. A reply to "mg" also carries the number of its command, so that a late one cannot be taken for another's. Why
// not "ms", which does all that in one: it removes the old item if the node has no memory for the new one; and a node
// that does not know it takes the value for commands. See memcached's doc/protocol.txt.
#ifndef CLUSTERED_SESSION_MEMCACHED_META_PROTOCOL_H_
#define CLUSTERED_SESSION_MEMCACHED_META_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace clustered_session {

// The views must live until the replies are there.
struct MetaCommand {
  enum class Kind : uint8_t {
    kGet,
    kGetAge,    // a get that tells what the item has left to live
    kLook,      // a get without the value
    kStore,     // if the item is the one that `cas` names; if that is 0, if there is none
    kOffer,     // stores if there is no item. It has no reply: a get behind it shows whose item it is
    kSettings,  // asks for item_size_max. It has no number
    kStats,     // asks for the node's figures. It has no number, and is the only command of its flight
    kList,  // asks for all keys; `key` is what of: "hash" or "all". It has no number, and is alone on its connection
  };
  Kind kind = Kind::kGet;
  std::string_view key;
  std::string_view value;
  int64_t expiration = 0;  // as memcached takes it
  uint64_t cas = 0;
  uint32_t mark = 0;  // of kStore: the item's client flags, by which it is known again
};

using MetaCommands = std::span<const MetaCommand>;

inline bool HasReply(const MetaCommand& command) { return command.kind != MetaCommand::Kind::kOffer; }
inline bool HasValue(const MetaCommand& command) {
  return command.kind == MetaCommand::Kind::kStore || command.kind == MetaCommand::Kind::kOffer;
}

enum class MetaResult : uint8_t {
  kHit,   // get: `value` and `cas`; look: `mark` and `cas`; settings: `cas` is item_size_max in bytes, or 0 if the node
          // does not tell; stats: `value`, lines of "STAT <name> <value>"
  kMiss,  // get, look; stats: the node tells none
  kStored,   // store: `cas` is the new item's
  kOther,    // store: another item is there; it is not shown
  kGone,     // store: the item that `cas` named is there no more
  kRefused,  // store: the node did not store it; `cas` is of the item that stayed, or 0
};

enum class ScanState : uint8_t {
  kIncomplete,  // right so far; at least `size` bytes in all are needed
  kComplete,    // `size` bytes; more may follow
  kRefused,     // an ERROR, SERVER_ERROR or CLIENT_ERROR line, in `message`
  kGarbage,     // not an answer to what was asked
};

// The reply to one command at the start of what has been received.
struct MetaReplyScan {
  ScanState state = ScanState::kGarbage;
  size_t size = 0;
  std::string message{};  // printable, bounded; of kRefused, and of a store that is MetaResult::kRefused
  MetaResult result = MetaResult::kMiss;
  std::string_view value{};  // into the bytes
  uint64_t cas = 0;
  uint32_t mark = 0;
  int64_t ttl = 0;  // seconds; of kGetAge; -1: it does not expire
};

// The text of a command is its line, then its value if it has one, then the rest. REQUIRES: a key that memcached
// accepts
void AppendLine(const MetaCommand& command, uint32_t number, std::string* text);
void AppendRest(const MetaCommand& command, uint32_t number, std::string* text);
// Removes an item if it is the one that `cas` names: a store of nothing that is gone at once, with no reply.
void AppendRemove(std::string_view key, uint64_t cas, std::string* text);
// Puts `bytes` behind the item's, if there is such an item, with no reply.
void AppendExtend(std::string_view key, std::string_view bytes, std::string* text);

// REQUIRES: HasReply(command), and it is no kList
MetaReplyScan ScanReply(std::string_view bytes, const MetaCommand& command, uint32_t number);

// A line of the answer to kList, without its end.
struct ListedKey {
  enum class Line : uint8_t {
    kBegin,  // keys follow: so says memcached 1.6.45, but not 1.6.38
    kKey,
    kEnd,
    kBusy,
    kNone,
    kNotThis,  // the node lists in another way
    kGarbage
  };
  Line line = Line::kGarbage;
  std::string key{};
  size_t size = 0;  // bytes of the item
};

inline constexpr std::string_view kListedKey = "key=";  // how the line of one begins
ListedKey ScanListed(std::string_view line);
// Whether more lines follow this one, which may have its end.
inline bool ListGoesOn(std::string_view line) {
  return line.starts_with(kListedKey) || line == "OK" || line == "OK\r\n" || line == "OK\n";
}

// What is asked on a new connection to find out whether the node knows "mg" as it is used here. REQUIRES: an item of
// this key has been added before on the connection
std::string MetaQuestion(std::string_view key);

// What a node says on a new connection before its first reply: the acknowledgement of a user name and a password, if
// the connection began with them and the node asks for them, then the answer to MetaQuestion().
struct Greeting {
  enum class Says : uint8_t {
    kMeta,     // it knows meta commands
    kPerhaps,  // it has no such item: the replies that follow will tell
    kNot,      // it does not know meta commands
    kOther,    // no answer to the question: an error line about something else, or garbage. `size` is where it begins
  };
  ScanState state = ScanState::kGarbage;  // never kRefused
  size_t size = 0;
  Says says = Says::kOther;
};

Greeting ScanGreeting(std::string_view bytes, bool authenticates);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_META_PROTOCOL_H_
