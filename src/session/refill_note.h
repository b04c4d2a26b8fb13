// RefillNote: an item on a node that tells all servers how far it was filled again after the loss of its memory. Layer:
// session. Pure. The item is lost with the node's memory, so each loss has a note of its own. See docs/protocol.md,
// 'Refill'.
#ifndef CLUSTERED_SESSION_SESSION_REFILL_NOTE_H_
#define CLUSTERED_SESSION_SESSION_REFILL_NOTE_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/session/context.h"

namespace clustered_session {

// A session in the order in which it is brought back: what may be a tombstone first, then by its key.
struct RefillKey {
  bool large = false;
  SessionKey key;

  friend bool operator==(const RefillKey&, const RefillKey&) = default;
  friend auto operator<=>(const RefillKey& a, const RefillKey& b) {
    if (a.large != b.large) return a.large <=> b.large;
    return a.key.bytes <=> b.key.bytes;
  }
};

struct RefillNote {
  uint64_t owner = 0;  // instance of the server that does it; 0: it is done
  // Hashes of the names of nodes: whose keys were all looked at, and who lists none.
  std::vector<uint32_t> listed;
  std::vector<uint32_t> unlisted;
  uint32_t source = 0;             // whose keys are looked at now; 0: none yet
  std::optional<RefillKey> after;  // up to this one they were

  bool done() const { return owner == 0; }
};

// Pools of other nodes, copies or keys have notes of their own.
std::string RefillNoteKey(const SessionContext& context);

std::string FormatRefillNote(const RefillNote& note);
// None: it is not a note, and counts as one of nobody that has not begun.
std::optional<RefillNote> ParseRefillNote(std::string_view text);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_REFILL_NOTE_H_
