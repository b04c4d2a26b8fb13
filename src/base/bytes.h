// Little-endian integers in byte buffers. Layer: base. Pure. The caller checks the bounds.
#ifndef CLUSTERED_SESSION_BASE_BYTES_H_
#define CLUSTERED_SESSION_BASE_BYTES_H_

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>

namespace clustered_session {

template <std::unsigned_integral T>
void StoreLittleEndian(char* to, T value) {
  if constexpr (std::endian::native == std::endian::little) {  // one instruction, where a loop is dozens
    std::memcpy(to, &value, sizeof value);
    return;
  }
  for (size_t i = 0; i < sizeof(T); ++i) to[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
}

template <std::unsigned_integral T>
T LoadLittleEndian(const char* from) {
  T value = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(static_cast<T>(static_cast<unsigned char>(from[i])) << (8 * i)));
  }
  return value;
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_BYTES_H_
