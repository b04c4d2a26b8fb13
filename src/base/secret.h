// Secret: bytes that leave no trace. Layer: base. libsodium's guarded memory: wiped when it is given back, in no core
// dump, out of swap where RLIMIT_MEMLOCK allows it, between pages that nobody may touch. Belongs to one owner.
#ifndef CLUSTERED_SESSION_BASE_SECRET_H_
#define CLUSTERED_SESSION_BASE_SECRET_H_

#include <sodium.h>

#include <cstddef>
#include <new>
#include <string_view>

namespace clustered_session {

class Secret {
 public:
  // Zeroed. Some pages each, and a few system calls: for what is kept. Throws std::bad_alloc.
  explicit Secret(size_t size) : bytes_(Allocate(size)), size_(size) {
    if (bytes_ == nullptr) throw std::bad_alloc();
    sodium_memzero(bytes_, size_);
  }
  ~Secret() { sodium_free(bytes_); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  unsigned char* data() { return bytes_; }
  const unsigned char* data() const { return bytes_; }
  size_t size() const { return size_; }
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes_), size_}; }

 private:
  // sodium_malloc() ends the process where libsodium was not started.
  static unsigned char* Allocate(size_t size) {
    return sodium_init() < 0 ? nullptr : static_cast<unsigned char*>(sodium_malloc(size));
  }

  unsigned char* bytes_;
  const size_t size_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_SECRET_H_
