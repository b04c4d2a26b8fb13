#include "src/session/pool_table.h"

#include <cstring>

namespace clustered_session {
namespace {

uint64_t CredentialsHash(const SessionSettings& settings) {
  if (settings.username.empty() && settings.password.empty()) return 0;
  return HashSessionId({}, settings.username, settings.password).Hash64() | 1;
}

}  // namespace

uint8_t SharedPoolTable::NumberOf(std::string_view save_path, const SessionSettings& settings) {
  if (save_path.size() + settings.prefix.size() > kTextMax) return 0;
  Values values = {};
  values.connect_timeout_ns = std::chrono::nanoseconds(settings.connect_timeout).count();
  values.operation_timeout_ns = std::chrono::nanoseconds(settings.operation_timeout).count();
  values.retry_interval_ns = std::chrono::nanoseconds(settings.retry_interval).count();
  values.credentials = CredentialsHash(settings);
  values.copies = settings.copies;
  values.save_path_size = static_cast<uint16_t>(save_path.size());
  values.prefix_size = static_cast<uint16_t>(settings.prefix.size());
  values.on_conflict = static_cast<uint8_t>(settings.on_conflict);
  values.format = static_cast<uint8_t>(settings.format);
  values.authentication = static_cast<uint8_t>(settings.authentication);
  std::string text(save_path);
  text += settings.prefix;
  const uint64_t hash =
      HashSessionId({}, {reinterpret_cast<const char*>(&values), sizeof values}, text).Hash64() | 1;
  for (uint8_t i = 0; i < kSlots; ++i) {
    Slot& slot = slots[i];
    uint64_t held = slot.hash.load(std::memory_order_acquire);
    if (held == 0 && slot.hash.compare_exchange_strong(held, hash, std::memory_order_acq_rel)) held = hash;
    if (held != hash) continue;
    if (slot.ready.load(std::memory_order_acquire) == 0) {  // also if the one who claimed it died: all write the same
      slot.values = values;
      std::memcpy(slot.text, text.data(), text.size());
      slot.ready.store(1, std::memory_order_release);
    }
    return static_cast<uint8_t>(i + 1);
  }
  return 0;
}

bool SharedPoolTable::Load(uint8_t number, std::string* save_path, SessionSettings* settings) const {
  if (number == 0 || number > kSlots) return false;
  const Slot& slot = slots[number - 1];
  if (slot.ready.load(std::memory_order_acquire) == 0) return false;
  const Values& values = slot.values;
  if (size_t{values.save_path_size} + values.prefix_size > kTextMax) return false;
  if (values.credentials != 0 && values.credentials != CredentialsHash(*settings)) return false;
  if (values.credentials == 0) settings->username = settings->password = std::string();
  save_path->assign(slot.text, values.save_path_size);
  settings->prefix.assign(slot.text + values.save_path_size, values.prefix_size);
  settings->copies = values.copies;
  settings->connect_timeout = std::chrono::nanoseconds(values.connect_timeout_ns);
  settings->operation_timeout = std::chrono::nanoseconds(values.operation_timeout_ns);
  settings->retry_interval = std::chrono::nanoseconds(values.retry_interval_ns);
  settings->on_conflict = static_cast<ConflictRule>(values.on_conflict);
  settings->format = static_cast<PayloadFormat>(values.format);
  settings->authentication = static_cast<Authentication>(values.authentication);
  return true;
}

}  // namespace clustered_session
