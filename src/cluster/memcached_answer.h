// The shape of a node's answer, judged before libmemcached reads it, or in its place. Layer: cluster. Pure; for
// memcached_socket.cc and memcached_connection.cc only. Two reasons to look first: only a complete answer can be read
// without waiting longer than the deadline, and libmemcached 1.1.4 trusts a node (it copies a key of any length into 251 bytes, for one).
#ifndef CLUSTERED_SESSION_CLUSTER_MEMCACHED_ANSWER_H_
#define CLUSTERED_SESSION_CLUSTER_MEMCACHED_ANSWER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clustered_session {

inline constexpr size_t kNodeKeyLengthMax = 250;          // bytes, memcached's own limit
inline constexpr uint64_t kNodeValueSizeMax = 128u << 20;  // bytes; a node that announces more is not believed

enum class AnswerState : uint8_t {
  kIncomplete,  // right so far; at least `size` bytes in all are needed
  kComplete,    // `size` bytes, and nothing after them
  kRefused,     // an ERROR, SERVER_ERROR or CLIENT_ERROR line, in `message`
  kDenied,      // the node does not let in who asks
  kGarbage,     // not an answer to what was asked
};

struct AnswerScan {
  AnswerState state = AnswerState::kGarbage;
  size_t size = 0;
  std::string message;  // printable, bounded
};

// One item of an answer; the views are into its bytes.
struct AnswerItem {
  std::string_view key;
  std::string_view value;
  uint64_t cas = 0;
};

using Keys = std::span<const std::string_view>;
inline constexpr size_t kAskedKeysMax = 8;  // in one "gets"; the node client has two

// The answer to "gets" of `keys`: each of them at most once, nothing else, END. `items`, if it is not null, receives
// those that are complete. REQUIRES: at most kAskedKeysMax keys
AnswerScan ScanGetsAnswer(std::string_view bytes, Keys keys, std::vector<AnswerItem>* items = nullptr);

// Whether this error line of a node is about who asks, and not about what.
bool IsAuthenticationError(std::string_view message);

// The answer to "stats settings": STAT lines, END. `item_size_max` receives bytes, or stays as it is if not named.
AnswerScan ScanStatsAnswer(std::string_view bytes, uint64_t* item_size_max);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_MEMCACHED_ANSWER_H_
