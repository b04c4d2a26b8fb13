// SharedPoolTable: the settings with which each pool of a server writes to its nodes, in shared memory, so that whoever
// runs longest can write what another pool's workers have left: the FPM parent, at its end, knows no pool's settings.
// Layer: session. Lock-free; slots are filled once and never change.
#ifndef CLUSTERED_SESSION_SESSION_POOL_TABLE_H_
#define CLUSTERED_SESSION_SESSION_POOL_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/session/context.h"

namespace clustered_session {

struct SharedPoolTable {
  static constexpr uint8_t kSlots = 16;
  static constexpr size_t kTextMax = 1200;  // bytes of save_path and prefix together

  struct Values {
    int64_t connect_timeout_ns;
    int64_t operation_timeout_ns;
    int64_t retry_interval_ns;
    uint64_t credentials;  // hash of user name and password, which are not kept here; 0 = none
    uint32_t copies;
    uint16_t save_path_size;
    uint16_t prefix_size;
    uint8_t on_conflict;
    uint8_t format;
    uint8_t authentication;
    uint8_t reserved[5];
  };
  struct Slot {
    std::atomic<uint64_t> hash;   // of what follows; 0 = free
    std::atomic<uint32_t> ready;
    Values values;
    char text[kTextMax];          // save_path, then prefix
  };

  // The number, from 1, under which these settings are kept, now or since; 0 if there is no room for them.
  uint8_t NumberOf(std::string_view save_path, const SessionSettings& settings);

  // What is kept under `number`, over what *settings has. False: nothing, or it needs other credentials than *settings
  // has.
  bool Load(uint8_t number, std::string* save_path, SessionSettings* settings) const;

  Slot slots[kSlots];
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_POOL_TABLE_H_
