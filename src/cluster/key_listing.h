// KeyListing: the keys that a node holds, as it lists them itself, taken bit by bit. Layer: cluster. Belongs to one
// thread. It is never held whole: each key is shown once, in no order, and may be gone by then.
#ifndef CLUSTERED_SESSION_CLUSTER_KEY_LISTING_H_
#define CLUSTERED_SESSION_CLUSTER_KEY_LISTING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "src/base/clock.h"

namespace clustered_session {

class KeyListing {
 public:
  enum class State : uint8_t {
    kUnderWay,
    kWhole,   // all keys were shown
    kBusy,    // the node makes another list just now
    kNone,    // the node makes no lists
    kFailed,  // no answer, or not memcached's
  };
  // `size`: bytes of the item, as the node counts them. The view ends with the call.
  using Take = std::function<void(std::string_view key, size_t size)>;

  virtual ~KeyListing() = default;

  // Shows what comes within `wait`, and waits no longer than that. A list that is left alone keeps the node from other
  // work of this kind. REQUIRES: the last state was kUnderWay
  virtual State Step(Duration wait, const Take& take) = 0;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_KEY_LISTING_H_
