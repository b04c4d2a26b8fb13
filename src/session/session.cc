#include "src/session/session.h"

#include <algorithm>
#include <utility>

#include "src/cluster/placement.h"

namespace clustered_session {

namespace {

constexpr size_t kSpareMax = 64 << 10;  // bytes of memory that a worker keeps between its requests

}  // namespace

Session::Session(const SessionContext& context, RequestScope* request) : context_(context), request_(request) {
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
    const std::string& name = context_.nodes->addresses()[ChooseNode(nodes, random)].name;
    // No room for the name: placed by its hash alone, and never cut, which would take randomness away.
    if (id.size() + 1 + name.size() <= kSessionIdLengthMax) id = AppendNodeName(id, name);
  }
  counters().new_sessions.Add();
  std::vector<std::string>& created = request_->created_ids;
  if (created.size() == kCreatedIdsMax) created.erase(created.begin());
  created.push_back(id);
  return id;
}

// session_create_id('prefix-') puts a prefix before the ID it gets: nobody can guess what ends with a new random ID.
bool Session::Created(std::string_view id) const {
  return std::any_of(request_->created_ids.begin(), request_->created_ids.end(),
                     [id](const std::string& created) { return id.ends_with(created); });
}

bool Session::ReadCompleted(std::string_view id) const { return loaded_.complete && loaded_.id == id; }

void Session::Close() {
  if (loaded_.id.empty()) return;  // nothing is loaded, or locked
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

std::optional<AffinityCookie> Session::TakeAffinityToSend() {
  if (!loaded_.complete || SingleServer() || context_.settings.affinity != AffinityMode::kCookie) return std::nullopt;
  AffinityCookie cookie{context_.settings.server_id, loaded_.epoch};
  if (request_->claim == cookie) return std::nullopt;
  request_->claim = cookie;
  return cookie;
}

std::vector<Notice> Session::TakeNotices() {
  for (NodeEvent& event : context_.nodes->TakeEvents()) {
    notices_.push_back({false, std::move(event.text), event.at});
  }
  return std::exchange(notices_, {});
}

}  // namespace clustered_session
