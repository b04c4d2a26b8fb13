// UntoldEnds: sessions that were destroyed here, and of whose end the old handler could not be told, until it is.
// Layer: session. In shared memory, zeroed = none; any thread of any worker, without a lock.
//
// A worker that dies in the middle of a call takes its place with it, until PHP is started again.
#ifndef CLUSTERED_SESSION_SESSION_UNTOLD_ENDS_H_
#define CLUSTERED_SESSION_SESSION_UNTOLD_ENDS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace clustered_session {

class UntoldEnds {
 public:
  static constexpr size_t kPlaces = 256;
  static constexpr size_t kIdMax = 64;  // bytes; longer IDs are not kept

  // `handler` is an old handler's number. False: there is no room, and it is not kept.
  bool Add(uint64_t handler, std::string_view id);
  // One of this handler's, which is no longer kept; empty: there is none.
  std::string Take(uint64_t handler);
  // Does not keep this one, whose ID has another session now.
  void Remove(uint64_t handler, std::string_view id);

 private:
  enum State : uint8_t { kFree = 0, kBusy, kFull };
  struct Place {
    uint64_t handler;
    uint32_t size;
    char id[kIdMax];
  };

  // Of a place that this caller has made busy.
  std::string_view IdIn(const Place& place) const;
  template <typename Wanted>
  std::string TakeWhere(uint64_t handler, const Wanted& wanted);

  std::atomic<uint8_t> states_[kPlaces];
  Place places_[kPlaces];
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_UNTOLD_ENDS_H_
