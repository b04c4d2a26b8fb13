// What memcached allows an item, and what the engines say in the same words. Layer: memcached. Pure; for the engines
// behind node.h.
#ifndef CLUSTERED_SESSION_MEMCACHED_NODE_ITEM_H_
#define CLUSTERED_SESSION_MEMCACHED_NODE_ITEM_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace clustered_session {

inline constexpr size_t kNodeItemKeyLengthMax = 250;           // bytes, memcached's own limit
inline constexpr uint64_t kNodeItemValueSizeMax = 128u << 20;  // bytes; a node that announces more is not believed

// What an item takes beside key and value: memcached 1.6 takes 59 bytes, older ones up to 40 more.
inline constexpr size_t kNodeItemOverhead = 100;
// A node whose item_size_max is unknown is asked for it before a value of more bytes is sent. Smaller values are sent
// at once; if the node refuses one, it is asked then.
inline constexpr size_t kAskSizeMaxBefore = 64 << 10;
inline constexpr size_t kAskSizeMaxAfter = 1000;  // bytes; memcached's smallest limit is 1 KB

// An expiration, a time of 1970, that makes an item which is gone at once. (-1 would, too, but is not in the grammar of
// some proxies.)
inline constexpr int64_t kNodeItemGoneAtOnce = 30 * 24 * 3600 + 1;

// memcached -Y takes the value of the first "set" of a connection for "user password", whatever its key. A node that
// does not ask for them stores the value instead: it is gone at once.
inline constexpr std::string_view kCredentialsKey = "cs:credentials";

inline constexpr std::string_view kGarbageText =
    "answered something else than memcached's protocol or what was asked for";
// Whether an error line is about who asks, and not about what; and what to say of it.
bool IsAuthenticationError(std::string_view line);
std::string_view CredentialsRefusedText(bool were_sent);

// Whether memcached takes it: without spaces and control characters.
bool IsNodeItemKey(std::string_view key);

// A time to live as memcached takes it. At least a second.
int64_t NodeItemExpiration(std::chrono::seconds ttl);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_NODE_ITEM_H_
