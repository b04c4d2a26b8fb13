// A client of memcached's binary protocol that knows as little as a test needs to look at a node past the code under
// test. Layer: tests. One connection, which waits for up to 5 seconds.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_BINARY_CLIENT_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_BINARY_CLIENT_H_

#include <cstdint>
#include <string>

namespace clustered_session {

// A request, or with `magic` 0x81 and a `status` a reply.
struct BinaryPacket {
  uint8_t opcode = 0;
  std::string key;
  std::string extras;
  std::string value;
  uint16_t status = 0;
  uint32_t number = 0;
  uint64_t cas = 0;
  uint8_t magic = 0x80;

  std::string Bytes() const;
};

class BinaryClient {
 public:
  // Owns `descriptor`, which is connected, or negative. An empty user name: none is sent.
  BinaryClient(int descriptor, const std::string& username, const std::string& password);
  ~BinaryClient();
  BinaryClient(const BinaryClient&) = delete;
  BinaryClient& operator=(const BinaryClient&) = delete;

  bool usable() const { return usable_; }  // and let in
  std::string Get(const std::string& key);
  bool Set(const std::string& key, const std::string& value);
  bool Delete(const std::string& key);
  uint64_t Stat(const std::string& name);

 private:
  bool Ask(const BinaryPacket& request, BinaryPacket* reply);
  bool Read(size_t size, std::string* bytes);
  bool ReadReply(BinaryPacket* reply);

  const int descriptor_;
  bool usable_ = false;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_BINARY_CLIENT_H_
