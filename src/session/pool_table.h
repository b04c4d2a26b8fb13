// SharedPoolTable: the settings with which each pool of a server writes to its nodes, in shared memory, so that whoever
// runs longest can write what another pool's workers have left: the FPM parent, at its end, knows no pool's settings.
// Layer: session. Found without a lock, filled under one.
//
// An unreplicated entry holds its pool's number. Where all slots are taken, the one that was used longest ago is given
// to another pool, but never one that an unreplicated entry refers to: so a script that walks through many save_paths
// takes no slot from others for long, and no session is ever written to another pool's nodes. Whoever leaves an entry
// behind therefore looks again, after it is stored, whether its pool still has its number (Holds).
#ifndef CLUSTERED_SESSION_SESSION_POOL_TABLE_H_
#define CLUSTERED_SESSION_SESSION_POOL_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/local/shared_mutex.h"
#include "src/session/context.h"
#include "src/session/flush_seat.h"

namespace clustered_session {

struct SharedPoolTable {
  static constexpr uint8_t kSlots = 16;
  static constexpr uint8_t kSeats = kSlots + 1;  // one of those without credentials, and one for each slot's own
  static constexpr uint8_t kGenerations = 15;    // of a slot, which its number tells apart: 16 * 15 numbers
  static constexpr size_t kTextMax = 2400;       // bytes of save_path, prefix and TLS together

  enum State : uint32_t {
    kFree,
    kReady,
    kClosing,  // still its pool's, but it is being looked whether an entry refers to it
    kFilling,
  };

  struct Values {
    int64_t connect_timeout_ns;
    int64_t operation_timeout_ns;
    int64_t retry_interval_ns;
    uint64_t credentials;  // hash of user name, password and key file, which are not kept here; 0 = none
    uint32_t copies;
    uint16_t save_path_size;
    uint16_t prefix_size;
    uint8_t on_conflict;
    uint8_t format;
    uint8_t authentication;
    uint8_t encryption;
    uint8_t compression_level;
    uint8_t tls_verifies;
    uint16_t tls_size;
    uint32_t compression_threshold;
    uint8_t cipher;
    uint8_t reserved_behind[3];
  };
  struct Slot {
    std::atomic<uint32_t> state;
    std::atomic<uint32_t> generation;
    std::atomic<uint64_t> hash;       // of what follows
    std::atomic<int64_t> used_at_ns;  // when its number was asked for last
    std::atomic<uint32_t> seat;
    std::atomic<uint64_t> credentials;  // as in `values`
    Values values;
    char text[kTextMax];  // save_path, prefix, then NodeTls::Join()
  };

  // REQUIRES: zeroed memory that nobody else sees yet. False: the system has no process-shared mutexes.
  bool Init();

  struct Number {
    uint8_t number = 0;  // from 1; 0: there is no room for these settings now
    uint64_t hash = 0;   // of the settings, for Holds()
  };
  // Under which these settings are kept, now or since. `store` has the entries that refer to numbers.
  Number NumberOf(std::string_view save_path, const SessionSettings& settings, LocalStore* store, TimePoint now);

  // Whether `number` still is of the settings with this hash.
  bool Holds(const Number& number) const;

  // What is kept under `number`, over what *settings has. False: nothing, or it needs other credentials than *settings
  // has.
  bool Load(uint8_t number, std::string* save_path, SessionSettings* settings) const;

  // Whether a pool of this number is written with the credentials of this hash.
  bool IsOf(uint8_t number, uint64_t credentials) const;

  // The numbers of the pools that are written with them.
  std::vector<uint8_t> NumbersOf(uint64_t credentials) const;

  // The seat for the entries of a pool; that of no credentials for a number of no pool.
  FlushSeat* SeatOfPool(uint8_t number);
  // The seat for these credentials; null: no pool that is known needs them.
  FlushSeat* SeatOf(uint64_t credentials);

  // 0 = none.
  static uint64_t CredentialsHash(const SessionSettings& settings);

  SharedMutex change;  // held by whoever fills a slot
  Slot slots[kSlots];
  alignas(64) FlushSeat seats[kSeats];

 private:
  // In a number from 1: the slot in the lower bits, its generation above them.
  static uint32_t SlotOf(uint8_t number) { return static_cast<uint32_t>(number - 1) % kSlots; }
  static uint32_t GenerationOf(uint8_t number) { return static_cast<uint32_t>(number - 1) / kSlots; }
  uint8_t NumberOfSlot(uint32_t slot) const {
    return static_cast<uint8_t>(1 + slot + kSlots * (slots[slot].generation.load() % kGenerations));
  }

  uint8_t Find(uint64_t hash, TimePoint now);
  // REQUIRES: `change` is held, for these.
  void RepairStates();
  Slot* TakeSlot(LocalStore* store);
  bool TakeSeat(uint64_t credentials, uint32_t* seat);
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_POOL_TABLE_H_
