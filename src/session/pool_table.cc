// Layer: session.
#include "src/session/pool_table.h"

#include <algorithm>
#include <bitset>
#include <cstring>

namespace clustered_session {
namespace {

SharedPoolTable::Values ValuesOf(std::string_view save_path, const SessionSettings& settings) {
  SharedPoolTable::Values values = {};
  values.connect_timeout_ns = std::chrono::nanoseconds(settings.connect_timeout).count();
  values.operation_timeout_ns = std::chrono::nanoseconds(settings.operation_timeout).count();
  values.retry_interval_ns = std::chrono::nanoseconds(settings.retry_interval).count();
  values.credentials = SharedPoolTable::CredentialsHash(settings);
  values.copies = settings.copies;
  values.save_path_size = static_cast<uint16_t>(save_path.size());
  values.prefix_size = static_cast<uint16_t>(settings.prefix.size());
  values.on_conflict = static_cast<uint8_t>(settings.on_conflict);
  values.format = static_cast<uint8_t>(settings.format);
  values.authentication = static_cast<uint8_t>(settings.authentication);
  values.encryption = static_cast<uint8_t>(settings.encryption);
  values.compression_level = static_cast<uint8_t>(settings.compression_level);
  values.compression_threshold = settings.compression_threshold;
  values.cipher = static_cast<uint8_t>(settings.cipher);
  values.tls_verifies = settings.tls.verifies ? 1 : 0;
  values.tls_size = static_cast<uint16_t>(settings.tls.Join().size());
  return values;
}

// Holds the mutex of a table.
class ChangeLock {
 public:
  explicit ChangeLock(SharedMutex* mutex) : mutex_(mutex), outcome_(mutex->Lock()) {}
  ~ChangeLock() {
    if (locked()) mutex_->Unlock();
  }
  ChangeLock(const ChangeLock&) = delete;
  ChangeLock& operator=(const ChangeLock&) = delete;
  bool locked() const { return IsLocked(outcome_); }
  bool owner_died() const { return outcome_ == LockOutcome::kOwnerDied; }

 private:
  SharedMutex* mutex_;
  const LockOutcome outcome_;
};

}  // namespace

uint64_t SharedPoolTable::CredentialsHash(const SessionSettings& settings) {
  if (settings.username.empty() && settings.password.empty() && settings.key_file.empty()) return 0;
  std::string who = settings.username;
  if (!settings.key_file.empty()) who.append(1, '\0').append(settings.key_file);
  return Hash128({}, who, settings.password).Hash64() | 1;
}

bool SharedPoolTable::Init() {
  bool made = change.Init();
  for (FlushSeat& seat : seats) made = made && seat.Init();
  return made;
}

uint8_t SharedPoolTable::Find(uint64_t hash, TimePoint now) {
  for (uint32_t i = 0; i < kSlots; ++i) {
    if (slots[i].hash.load() != hash || slots[i].state.load() != kReady) continue;
    slots[i].used_at_ns.store(ToNanos(now), std::memory_order_relaxed);
    const Number number = {NumberOfSlot(i), hash};
    if (Holds(number)) return number.number;
  }
  return 0;
}

SharedPoolTable::Number SharedPoolTable::NumberOf(std::string_view save_path, const SessionSettings& settings,
                                                  LocalStore* store, TimePoint now) {
  std::string text(save_path);
  text += settings.prefix;
  text += settings.tls.Join();
  if (text.size() > kTextMax) return {};
  const Values values = ValuesOf(save_path, settings);
  const uint64_t hash = Hash128({}, {reinterpret_cast<const char*>(&values), sizeof values}, text).Hash64() | 1;
  if (const uint8_t number = Find(hash, now); number != 0) return {number, hash};

  ChangeLock lock(&change);
  if (!lock.locked()) return {0, hash};
  if (lock.owner_died()) {
    RepairStates();
    change.MarkConsistent();
  }
  if (const uint8_t number = Find(hash, now); number != 0) return {number, hash};
  Slot* slot = TakeSlot(store);
  if (slot == nullptr) return {0, hash};
  uint32_t seat = 0;
  if (!TakeSeat(values.credentials, &seat)) {
    slot->state.store(kFree);
    return {0, hash};
  }
  slot->seat.store(seat);
  slot->credentials.store(values.credentials);
  slot->values = values;
  std::memcpy(slot->text, text.data(), text.size());
  slot->used_at_ns.store(ToNanos(now), std::memory_order_relaxed);
  slot->hash.store(hash);
  slot->state.store(kReady);
  return {NumberOfSlot(static_cast<uint32_t>(slot - slots)), hash};
}

// What somebody who died had begun: a slot that was only looked at stays its pool's.
void SharedPoolTable::RepairStates() {
  for (Slot& slot : slots) {
    if (slot.state.load() == kClosing) slot.state.store(kReady);
    if (slot.state.load() == kFilling) slot.state.store(kFree);
  }
}

// A slot in state kFilling, of a new generation; null: unreplicated entries refer to all of them. An entry that is
// stored after the first look finds its number gone, or is found by the second.
SharedPoolTable::Slot* SharedPoolTable::TakeSlot(LocalStore* store) {
  Slot* taken = nullptr;
  for (Slot& slot : slots) {
    if (taken == nullptr && slot.state.load() == kFree) taken = &slot;
  }
  std::bitset<kSlots> tried;
  while (taken == nullptr && !tried.all()) {
    uint32_t oldest = kSlots;
    for (uint32_t i = 0; i < kSlots; ++i) {
      if (!tried[i] && (oldest == kSlots || slots[i].used_at_ns.load() < slots[oldest].used_at_ns.load())) oldest = i;
    }
    tried.set(oldest);
    Slot* slot = &slots[oldest];
    const uint8_t number = NumberOfSlot(oldest);
    if (store->PoolsInUse()[number]) continue;
    slot->state.store(kClosing);
    if (store->PoolsInUse()[number]) {
      slot->state.store(kReady);
    } else {
      taken = slot;
    }
  }
  if (taken == nullptr) return nullptr;
  taken->state.store(kFilling);
  taken->hash.store(0);
  taken->generation.store((taken->generation.load() + 1) % kGenerations);
  return taken;
}

// That of the credentials, or one that no slot needs any more and no thread holds.
bool SharedPoolTable::TakeSeat(uint64_t credentials, uint32_t* seat) {
  if (FlushSeat* found = SeatOf(credentials); found != nullptr) {
    *seat = static_cast<uint32_t>(found - seats);
    return true;
  }
  for (uint32_t i = 1; i < kSeats; ++i) {
    const bool needed = std::any_of(std::begin(slots), std::end(slots), [i](const Slot& slot) {
      return (slot.state.load() == kReady || slot.state.load() == kClosing) && slot.seat.load() == i;
    });
    if (needed || !seats[i].Take()) continue;
    seats[i].pending.store(FlushSeat::kNothing);
    seats[i].credentials.store(credentials);
    seats[i].taken.Unlock();
    *seat = i;
    return true;
  }
  return false;
}

bool SharedPoolTable::Holds(const Number& number) const {
  if (number.number == 0 || number.number > kSlots * kGenerations) return false;
  const Slot& slot = slots[SlotOf(number.number)];
  return slot.hash.load() == number.hash && slot.generation.load() == GenerationOf(number.number) &&
         slot.state.load() == kReady;
}

bool SharedPoolTable::Load(uint8_t number, std::string* save_path, SessionSettings* settings) const {
  if (!IsOf(number, CredentialsHash(*settings)) && !IsOf(number, 0)) return false;
  const Slot& slot = slots[SlotOf(number)];
  const Values& values = slot.values;
  if (size_t{values.save_path_size} + values.prefix_size + values.tls_size > kTextMax) return false;
  if (values.credentials == 0) settings->username = settings->password = settings->key_file = std::string();
  save_path->assign(slot.text, values.save_path_size);
  settings->prefix.assign(slot.text + values.save_path_size, values.prefix_size);
  settings->tls = NodeTls::Split({slot.text + values.save_path_size + values.prefix_size, values.tls_size});
  settings->tls.verifies = values.tls_verifies != 0;
  settings->copies = values.copies;
  settings->connect_timeout = std::chrono::nanoseconds(values.connect_timeout_ns);
  settings->operation_timeout = std::chrono::nanoseconds(values.operation_timeout_ns);
  settings->retry_interval = std::chrono::nanoseconds(values.retry_interval_ns);
  settings->on_conflict = static_cast<ConflictRule>(values.on_conflict);
  settings->format = static_cast<PayloadFormat>(values.format);
  settings->authentication = static_cast<Authentication>(values.authentication);
  settings->encryption = static_cast<EncryptionMode>(values.encryption);
  settings->compression_level = values.compression_level;
  settings->compression_threshold = values.compression_threshold;
  settings->cipher = static_cast<CipherChoice>(values.cipher);
  return true;
}

// An entry that refers to the number keeps it from being given to another pool meanwhile.
bool SharedPoolTable::IsOf(uint8_t number, uint64_t credentials) const {
  if (number == 0 || number > kSlots * kGenerations) return false;
  const Slot& slot = slots[SlotOf(number)];
  const uint32_t state = slot.state.load();
  return (state == kReady || state == kClosing) && slot.generation.load() == GenerationOf(number) &&
         slot.credentials.load() == credentials;
}

std::vector<uint8_t> SharedPoolTable::NumbersOf(uint64_t credentials) const {
  std::vector<uint8_t> numbers;
  for (uint32_t i = 0; i < kSlots; ++i) {
    const uint8_t number = NumberOfSlot(i);
    if (IsOf(number, credentials)) numbers.push_back(number);
  }
  return numbers;
}

FlushSeat* SharedPoolTable::SeatOfPool(uint8_t number) {
  const uint32_t seat = number == 0 ? 0 : slots[SlotOf(number)].seat.load();
  return &seats[seat < kSeats ? seat : 0];
}

FlushSeat* SharedPoolTable::SeatOf(uint64_t credentials) {
  if (credentials == 0) return &seats[0];
  for (uint32_t i = 1; i < kSeats; ++i) {
    if (seats[i].credentials.load() == credentials) return &seats[i];
  }
  return nullptr;
}

}  // namespace clustered_session
