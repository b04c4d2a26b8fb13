// Splits a serialized $_SESSION into its top-level keys, at byte level. Layer: record. Pure; thread-safe.
// Knows the formats of PHP's serialize handlers php, php_binary and php_serialize as PHP 8.2 and later write them;
// never unserializes a value. Time and memory are linear in the payload, but for sorting its keys; nothing recurses.
#ifndef CLUSTERED_SESSION_RECORD_PAYLOAD_SPLIT_H_
#define CLUSTERED_SESSION_RECORD_PAYLOAD_SPLIT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"

namespace clustered_session {

inline constexpr size_t kValueDepthMax = 4096;  // nested arrays and objects: PHP's default unserialize_max_depth

enum class PayloadFormat : uint8_t {
  kPhp,           // key|serialized value, repeated
  kPhpBinary,     // length byte, key, serialized value, repeated
  kPhpSerialize,  // serialize($_SESSION)
  kOpaque,        // any other serialize handler: cannot be split
};

PayloadFormat PayloadFormatOf(std::string_view serialize_handler);

struct PayloadField {
  std::string_view key;    // into the payload; of an integer key (php_serialize only) its decimal digits
  std::string_view value;  // its serialized bytes

  friend bool operator==(const PayloadField&, const PayloadField&) = default;
};

// The top-level fields in their order. An empty payload is an empty session. Errors: kCorrupt (not this format),
// kUnsupported: kOpaque; a value that refers to another value of the payload by r:/R: number, or may do so (C:), so
// that it cannot be moved; keys that are not unique; nesting beyond kValueDepthMax.
Result<std::vector<PayloadField>> SplitPayload(PayloadFormat format, std::string_view payload);

// The payload with these fields: the bytes that were split, or "a:0:{}" for an empty php_serialize payload.
// REQUIRES: fields that SplitPayload() gave for this format, in any order and number, with unique keys.
std::string JoinPayload(PayloadFormat format, const std::vector<PayloadField>& fields);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_PAYLOAD_SPLIT_H_
