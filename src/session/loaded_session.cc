// One session as this server has it now, see loaded_session.h. Layer: session.
#include "src/session/loaded_session.h"

#include <utility>

namespace clustered_session {
namespace {

constexpr size_t kSpareMax = 64 << 10;  // bytes of memory that a worker keeps between its requests

}  // namespace

Ancestry AncestryOf(const Image& image, const Entry& entry) {
  Ancestry known = image.ancestry();
  known.tombstone = (entry.flags & kEntryTombstone) != 0;
  return known;
}

LoadedSession::LoadedSession(const SessionContext& context, SessionAddress address, uint32_t session_lifetime_s)
    : lifetime_s(session_lifetime_s), context_(context), address_(std::move(address)) {
  if (context_.spare != nullptr) image.buffer()->swap(*context_.spare);
}

LoadedSession::~LoadedSession() {
  image.Clear();  // the next session sees nothing of this one
  if (context_.spare != nullptr && image.buffer()->capacity() <= kSpareMax) context_.spare->swap(*image.buffer());
}

void LoadedSession::Clear() {
  entry = Entry();
  image.Clear();
  read_at_ns = 0;
  must_write = client_stayed = taken_in = overtaken_by_destruction_ = false;
  had_entry = taken_over = false;
  taken_epoch = 0;
  items_.reset();
}

NodeItems& LoadedSession::items() {
  if (!items_) items_.emplace(context_, address_, entry);
  return *items_;
}

void LoadedSession::NoteWritten(const Entry& written) {
  entry = written;
  must_write = taken_in = overtaken_by_destruction_ = false;
}

// Version, epoch and ancestry stay, so that a later write of this request meets the destruction as well.
void LoadedSession::NoteDestroyedMeanwhile() {
  const Entry before = std::exchange(entry, Entry());
  entry.version = before.version;
  entry.epoch = before.epoch;
  image.SetPayload({});
  must_write = taken_in = false;
  overtaken_by_destruction_ = true;
}

}  // namespace clustered_session
