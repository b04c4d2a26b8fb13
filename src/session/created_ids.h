// CreatedIds: the session IDs that one open has made and not written yet. Layer: session. Pure.
#ifndef CLUSTERED_SESSION_SESSION_CREATED_IDS_H_
#define CLUSTERED_SESSION_SESSION_CREATED_IDS_H_

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace clustered_session {

// Nobody else can know such an ID. session_create_id('prefix-') puts a prefix before the ID it gets; nobody can guess
// what ends with a new random ID, either.
class CreatedIds {
 public:
  // The oldest one is forgotten when there are too many.
  void Add(std::string id) {
    if (ids_.size() == kIdsMax) ids_.erase(ids_.begin());
    ids_.push_back(std::move(id));
  }

  bool Has(std::string_view id) const {
    return std::any_of(ids_.begin(), ids_.end(), [id](const std::string& made) { return id.ends_with(made); });
  }

  // From here on others may know the ID.
  void Forget(std::string_view id) {
    std::erase_if(ids_, [id](const std::string& made) { return id.ends_with(made); });
  }

 private:
  static constexpr size_t kIdsMax = 8;

  std::vector<std::string> ids_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_CREATED_IDS_H_
