// Result<T> and Status: how the core reports what can fail. Layer: base. 'Not found' is a value, never an error.
// Immutable after construction; safe to move between threads.
#ifndef CLUSTERED_SESSION_BASE_RESULT_H_
#define CLUSTERED_SESSION_BASE_RESULT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace clustered_session {

enum class ErrorCode : uint8_t {
  kInvalidArgument,  // a setting or an argument is outside its grammar
  kUnavailable,      // no node could be asked
  kTimeout,          // a deadline passed
  kTooLarge,         // the node or the segment refuses this size
  kCorrupt,          // bytes from outside are not what they claim to be
  kForged,           // bytes from outside that no key of ours has written
  kNoKey,            // bytes from outside that are encrypted, and there is no key
  kNoCipher,         // likewise, and this build and processor have not what they were encrypted with
  kNoMemory,         // the segment or the process is full
  kTooMany,          // as many wait already as may
  kUnsupported,      // this build, node or system cannot do it
  kInternal,         // an invariant of ours does not hold
};

// What failed, where and what to do, in one line. Never holds a secret, a payload or a full session ID.
class Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  ErrorCode code_;
  std::string message_;
};

// Either a T or an Error.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // REQUIRES: ok()
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }

  // REQUIRES: !ok()
  const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

// Success or an Error.
class [[nodiscard]] Status : public Result<std::monostate> {
 public:
  Status() : Result<std::monostate>(std::monostate{}) {}
  Status(Error error) : Result<std::monostate>(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  static Status Ok() { return {}; }
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_RESULT_H_
