#include "tests/support/binary_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace clustered_session {
namespace {

constexpr int kPatienceMs = 5000;

std::string BigEndian(uint64_t number, int size) {
  std::string bytes;
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xff);
  return bytes;
}

uint64_t NumberOf(const std::string& bytes) {
  uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

}  // namespace

std::string BinaryPacket::Bytes() const {
  const size_t body = extras.size() + key.size() + value.size();
  return BigEndian(magic, 1) + BigEndian(opcode, 1) + BigEndian(key.size(), 2) + BigEndian(extras.size(), 1) +
         BigEndian(0, 1) + BigEndian(status, 2) + BigEndian(body, 4) + BigEndian(number, 4) + BigEndian(cas, 8) +
         extras + key + value;
}

BinaryClient::BinaryClient(int descriptor, const std::string& username, const std::string& password)
    : descriptor_(descriptor) {
  BinaryPacket reply;
  BinaryPacket request;
  request.opcode = 0x0b;  // version
  if (!username.empty()) {
    request.opcode = 0x21;
    request.key = "PLAIN";
    request.value = std::string(1, '\0') + username + std::string(1, '\0') + password;
  }
  usable_ = descriptor >= 0 && Ask(request, &reply) && reply.status == 0;
}

BinaryClient::~BinaryClient() {
  if (descriptor_ >= 0) close(descriptor_);
}

bool BinaryClient::Read(size_t size, std::string* bytes) {
  bytes->clear();
  while (bytes->size() < size) {
    pollfd item{descriptor_, POLLIN, 0};
    char buffer[16384];
    if (poll(&item, 1, kPatienceMs) <= 0) return false;
    const ssize_t part = recv(descriptor_, buffer, std::min(size - bytes->size(), sizeof buffer), 0);
    if (part <= 0) return false;
    bytes->append(buffer, static_cast<size_t>(part));
  }
  return true;
}

bool BinaryClient::ReadReply(BinaryPacket* reply) {
  std::string header;
  std::string body;
  if (!Read(24, &header) || !Read(NumberOf(header.substr(8, 4)), &body)) return false;
  const size_t extras = NumberOf(header.substr(4, 1));
  const size_t key = NumberOf(header.substr(2, 2));
  reply->status = static_cast<uint16_t>(NumberOf(header.substr(6, 2)));
  reply->key = body.substr(extras, key);
  reply->value = body.substr(extras + key);
  return true;
}

bool BinaryClient::Ask(const BinaryPacket& request, BinaryPacket* reply) {
  const std::string bytes = request.Bytes();
  return send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()) &&
         ReadReply(reply);
}

std::string BinaryClient::Get(const std::string& key) {
  BinaryPacket request;
  BinaryPacket reply;
  request.key = key;
  return usable_ && Ask(request, &reply) && reply.status == 0 ? reply.value : "";
}

bool BinaryClient::Set(const std::string& key, const std::string& value) {
  BinaryPacket request;
  BinaryPacket reply;
  request.opcode = 0x01;
  request.key = key;
  request.extras.assign(8, '\0');
  request.value = value;
  return usable_ && Ask(request, &reply) && reply.status == 0;
}

bool BinaryClient::Delete(const std::string& key) {
  BinaryPacket request;
  BinaryPacket reply;
  request.opcode = 0x04;
  request.key = key;
  return usable_ && Ask(request, &reply) && reply.status == 0;
}

uint64_t BinaryClient::Stat(const std::string& name) {
  BinaryPacket request;
  BinaryPacket reply;
  request.opcode = 0x10;
  bool more = usable_ && Ask(request, &reply);
  while (more && !reply.key.empty() && reply.key != name) more = ReadReply(&reply);
  return more && reply.key == name ? std::strtoull(reply.value.c_str(), nullptr, 10) : 0;
}

}  // namespace clustered_session
