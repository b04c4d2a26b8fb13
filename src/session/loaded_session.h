// LoadedSession: one session as this server has it now, entry and image, and what a request may conclude from them.
// Layer: session. A value of one request, which the read path fills and the write and destroy paths change.
#ifndef CLUSTERED_SESSION_SESSION_LOADED_SESSION_H_
#define CLUSTERED_SESSION_SESSION_LOADED_SESSION_H_

#include <algorithm>
#include <cstdint>
#include <optional>

#include "src/local/entry.h"
#include "src/record/ancestry.h"
#include "src/session/context.h"
#include "src/session/image.h"
#include "src/session/session_address.h"

namespace clustered_session {

// What an entry and its image tell of a session's history.
Ancestry AncestryOf(const Image& image, const Entry& entry);

class LoadedSession {
 public:
  // As one of which nothing is known. Uses context.spare while it exists.
  LoadedSession(const SessionContext& context, SessionAddress address, uint32_t lifetime_s);
  ~LoadedSession();
  LoadedSession(const LoadedSession&) = delete;
  LoadedSession& operator=(const LoadedSession&) = delete;

  // Forgets all but the address: as one of which nothing is known.
  void Clear();

  const SessionAddress& address() const { return address_; }

  // Where the nodes have it; with the entry's tokens, the first time.
  NodeItems& items();
  // Only if somebody has called items().
  const NodeItems* items_if_used() const { return items_ ? &*items_ : nullptr; }
  // The next items() has the tokens of the entry as it is then.
  void ForgetTokens() { items_.reset(); }

  bool Is(EntryFlags flag) const { return (entry.flags & flag) != 0; }

  // Of what is known; 0 = nothing is known anywhere.
  uint64_t version() const { return entry.version; }
  // Under which this server serves it. A session started anew under a destroyed ID is this server's from its first
  // record on.
  uint64_t epoch() const { return std::max<uint64_t>(entry.epoch, 1) + (Is(kEntryTombstone) ? 1 : 0); }
  // Whether there is a record of it, or an entry that is to become one, and it is not destroyed.
  bool exists() const {
    return (version() != 0 || taken_in) && !overtaken_by_destruction_ && !Is(kEntryTombstone) && !Is(kEntryLocalOnly);
  }
  // What this server knows of its history.
  Ancestry Known() const { return AncestryOf(image, entry); }

  // Whether its nodes have to be told something, even if the request changes nothing: of a takeover, a merge, or what a
  // node has lost; of an end, what a node does not know.
  bool OwesWrite() const {
    return (exists() && (must_write || Is(kEntryTakeoverPending))) || (Is(kEntryTombstone) && must_write);
  }

  // It has been written: owes nothing any more, and `written` is to be its entry.
  void NoteWritten(const Entry& written);
  // Another request has destroyed it since it was read: nothing that this one writes may stand.
  void NoteDestroyedMeanwhile();

  Entry entry;  // as the local store holds it, or is to; as a new one if the store has none
  Image image;  // as read: what PHP got, and the base of a merge
  uint32_t lifetime_s;
  int64_t read_at_ns = 0;      // when the entry was true at the latest
  bool must_write = false;     // a node lags behind, or branches were merged: write even if unchanged
  bool client_stayed = false;  // no other server has served its client since the entry was written
  bool had_entry = false;      // before the nodes were asked
  bool taken_in = false;       // from the handler of before; nobody else has it until it is written
  bool taken_over = false;     // from the record of another instance
  uint64_t taken_epoch = 0;    // of that record

 private:
  const SessionContext& context_;
  const SessionAddress address_;
  std::optional<NodeItems> items_;
  bool overtaken_by_destruction_ = false;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_LOADED_SESSION_H_
