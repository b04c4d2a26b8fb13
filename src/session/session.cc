#include "src/session/session.h"

#include <algorithm>
#include <utility>

#include "src/cluster/node_code.h"
#include "src/cluster/placement.h"

namespace clustered_session {

namespace {

constexpr size_t kSpareMax = 64 << 10;  // bytes of memory that a worker keeps between its requests
constexpr size_t kCreatedIdsMax = 8;

}  // namespace

Session::Session(const SessionContext& context) : Session(Borrow(context)) {}

Session::Session(std::shared_ptr<const SessionContext> context)
    : kept_context_(std::move(context)), context_(*kept_context_) {
  if (context_.spare != nullptr) loaded_.image.buffer()->swap(*context_.spare);
}

Session::~Session() {
  Close();
  loaded_.image.Clear();  // the next session sees nothing of this one
  if (context_.spare != nullptr && loaded_.image.buffer()->capacity() <= kSpareMax) {
    context_.spare->swap(*loaded_.image.buffer());
  }
}

std::string Session::CreateId(std::string_view random_part, uint64_t random) {
  std::string id(random_part);
  if (!SingleServer()) {
    std::vector<NodeAddress> nodes = context_.nodes->addresses();
    // A node that is known to fail gets no new sessions, unless all fail.
    for (uint32_t i = 0; i < nodes.size(); ++i) {
      if (!context_.nodes->WorthAsking(i)) nodes[i].weight = 0;
    }
    id = NameNode(context_.nodes->addresses(), ChooseNode(nodes, random), random_part);
  }
  counters().new_sessions.Add();
  if (created_ids_.size() == kCreatedIdsMax) created_ids_.erase(created_ids_.begin());
  created_ids_.push_back(id);
  return id;
}

// session_create_id('prefix-') puts a prefix before the ID it gets: nobody can guess what ends with a new random ID.
bool Session::Created(std::string_view id) const {
  return std::any_of(created_ids_.begin(), created_ids_.end(),
                     [id](const std::string& created) { return id.ends_with(created); });
}

bool Session::ReadCompleted(std::string_view id) const { return loaded_.complete && loaded_.id == id; }

void Session::Close() {
  if (!loaded_.id.empty()) CloseLoaded();
  DestroyReplaced();  // the successor ended without a write: given up, or destroyed
}

void Session::Abandon() {
  KeepReplaced();
  Reset();
}

void Session::CloseLoaded() {
  const bool pending = (loaded_.entry.flags & kEntryTakeoverPending) != 0;
  if (loaded_.complete && loaded_.exists && (pending || loaded_.must_write)) {
    // Durable within its own request: else the old server's late write would meet no conflict.
    if (Status status = Commit(loaded_.image.payload()); !status.ok()) {
      notices_.push_back({true, status.error().message()});
    }
  }
  Reset();
}

void Session::Reset() {
  ReleaseLocks();
  Image image = std::move(loaded_.image);
  image.Clear();
  loaded_ = Loaded();
  loaded_.image = std::move(image);
}

std::optional<AffinityCookie> Session::Affinity() const {
  if (!loaded_.complete || SingleServer() || context_.settings.affinity != AffinityMode::kCookie) return std::nullopt;
  return AffinityCookie{context_.settings.server_id, loaded_.epoch};
}

}  // namespace clustered_session
