// The hash that makes keys of session IDs. Layer: base. Pure; thread-safe.
// crypto_generichash needs no sodium_init() before it, which only chooses faster code.
#include "src/base/session_key.h"

#include <sodium.h>

namespace clustered_session {
namespace {

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

// The length in front keeps ("ab", "c") and ("a", "bc") apart; little endian, so that all servers agree.
void UpdateWithLength(crypto_generichash_state* state, std::string_view text) {
  std::array<unsigned char, 8> length{};
  for (size_t i = 0; i < length.size(); i++) length[i] = static_cast<unsigned char>(uint64_t{text.size()} >> (8 * i));
  crypto_generichash_update(state, length.data(), length.size());
  crypto_generichash_update(state, Bytes(text), text.size());
}

}  // namespace

SessionKey Hash128(std::string_view secret, std::string_view space, std::string_view text) {
  SessionKey key;
  crypto_generichash_state state;
  // The library refuses longer keys and would leave the state unset.
  std::array<unsigned char, crypto_generichash_KEYBYTES_MAX> folded{};
  if (secret.size() > folded.size()) {
    crypto_generichash(folded.data(), folded.size(), Bytes(secret), secret.size(), nullptr, 0);
    secret = {reinterpret_cast<const char*>(folded.data()), folded.size()};
  }
  crypto_generichash_init(&state, secret.empty() ? nullptr : Bytes(secret), secret.size(), key.bytes.size());
  UpdateWithLength(&state, space);
  UpdateWithLength(&state, text);
  crypto_generichash_final(&state, key.bytes.data(), key.bytes.size());
  return key;
}

std::string StorageKey(std::string_view prefix, const SessionKey& key) {
  constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::array<char, sodium_base64_ENCODED_LEN(sizeof(SessionKey::bytes), kVariant)> encoded{};
  sodium_bin2base64(encoded.data(), encoded.size(), key.bytes.data(), key.bytes.size(), kVariant);
  std::string out(prefix);
  out.append(encoded.data());
  return out;
}

std::optional<SessionKey> SessionKeyIn(std::string_view storage_key, std::string_view prefix) {
  constexpr size_t kLength = 22;
  if (storage_key.size() != prefix.size() + kLength || !storage_key.starts_with(prefix)) return std::nullopt;
  const std::string_view text = storage_key.substr(prefix.size());
  SessionKey key;
  size_t size = 0;
  const int wrong = sodium_base642bin(key.bytes.data(), key.bytes.size(), text.data(), text.size(), nullptr, &size,
                                      nullptr, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  if (wrong != 0 || size != key.bytes.size()) return std::nullopt;
  return key;
}

}  // namespace clustered_session
