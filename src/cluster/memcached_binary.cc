#include "src/cluster/memcached_binary.h"

#include <algorithm>
#include <charconv>

#include "src/cluster/memcached_line.h"

namespace clustered_session {
namespace {

constexpr size_t kHeaderSize = 24;
constexpr char kRequestMagic = '\x80';
constexpr char kReplyMagic = '\x81';
constexpr size_t kGetExtras = 4;               // bytes: the flags
constexpr size_t kTextMax = 4096;              // bytes of a reply that brings no item
constexpr size_t kSettingsSizeMax = 64 << 10;  // of all replies together; memcached 1.6 sends 3 KB

enum class Opcode : uint8_t {
  kGet = 0x00,
  kAdd = 0x02,
  kReplace = 0x03,
  kDelete = 0x04,
  kStat = 0x10,
  kSaslAuth = 0x21,
};

enum Code : uint16_t {
  kSuccess = 0x0000,
  kKeyMissing = 0x0001,
  kKeyExists = 0x0002,
  kTooLarge = 0x0003,
  kNotStored = 0x0005,
  kAuthError = 0x0020,
  kAuthContinue = 0x0021,
  kUnknownCommand = 0x0081,
  kNoMemory = 0x0082,
};

// Numbers are sent with their highest byte first.
template <typename T>
void Append(T number, std::string* text) {
  for (size_t i = sizeof(T); i-- > 0;) text->push_back(static_cast<char>(number >> (8 * i) & 0xff));
}

template <typename T>
T NumberAt(std::string_view bytes, size_t offset) {
  T number = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    number = static_cast<T>(number << 8 | static_cast<unsigned char>(bytes[offset + i]));
  }
  return number;
}

void AppendHeader(Opcode opcode, std::string_view key, size_t extras, size_t value, uint64_t cas, uint32_t number,
                  std::string* text) {
  text->push_back(kRequestMagic);
  text->push_back(static_cast<char>(opcode));
  Append(static_cast<uint16_t>(key.size()), text);
  text->push_back(static_cast<char>(extras));
  text->append(3, '\0');  // type of data, and which of the node's buckets: there is one of each
  Append(static_cast<uint32_t>(extras + key.size() + value), text);
  Append(number, text);
  Append(cas, text);
}

// One reply of any kind; the views are into its bytes.
struct Packet {
  AnswerState state = AnswerState::kGarbage;
  size_t size = 0;  // as in ReplyScan
  Opcode opcode = Opcode::kGet;
  uint16_t code = 0;
  uint64_t cas = 0;
  std::string_view extras;
  std::string_view key;
  std::string_view value;  // or a text that says what is wrong
};

// What bytes say that announce more than `body_max` is not believed; nor is another number.
Packet TakePacket(std::string_view bytes, uint32_t number, size_t body_max) {
  Packet packet;
  if (!bytes.empty() && bytes.front() != kReplyMagic) return packet;
  packet.state = AnswerState::kIncomplete;
  packet.size = kHeaderSize;
  if (bytes.size() < kHeaderSize) return packet;
  packet.state = AnswerState::kGarbage;
  packet.opcode = static_cast<Opcode>(bytes[1]);
  packet.code = NumberAt<uint16_t>(bytes, 6);
  packet.cas = NumberAt<uint64_t>(bytes, 16);
  const size_t key_size = NumberAt<uint16_t>(bytes, 2);
  const size_t extras_size = static_cast<unsigned char>(bytes[4]);
  const size_t body_size = NumberAt<uint32_t>(bytes, 8);
  if (bytes[5] != 0 || NumberAt<uint32_t>(bytes, 12) != number) return packet;
  if (body_size > (packet.code == kSuccess ? body_max : kTextMax) || key_size + extras_size > body_size) return packet;
  packet.size += body_size;
  packet.state = bytes.size() < packet.size ? AnswerState::kIncomplete : AnswerState::kComplete;
  if (packet.state == AnswerState::kIncomplete) return packet;
  const std::string_view body = bytes.substr(kHeaderSize, body_size);
  packet.extras = body.substr(0, extras_size);
  packet.key = body.substr(extras_size, key_size);
  packet.value = body.substr(extras_size + key_size);
  return packet;
}

Opcode OpcodeOf(const MemcachedCommand& command) {
  if (!HasValue(command)) return Opcode::kGet;
  return command.cas != 0 ? Opcode::kReplace : Opcode::kAdd;
}

bool IsDenial(uint16_t code) { return code == kAuthError || code == kAuthContinue; }  // PLAIN is said in one step

// The reply says neither what became of the command nor that it was not let in.
ReplyScan Failed(const Packet& packet) {
  ReplyScan reply;
  reply.state = IsDenial(packet.code) ? AnswerState::kDenied : AnswerState::kRefused;
  reply.size = packet.size;
  reply.message = PrintableLine(packet.value);
  if (reply.message.empty()) reply.message = "status " + std::to_string(packet.code);
  return reply;
}

ReplyScan GetReply(const Packet& packet, ReplyScan reply) {
  if (packet.code == kKeyMissing) {
    reply.result = CommandResult::kMiss;
    return reply;
  }
  if (packet.code != kSuccess) return Failed(packet);
  const bool sound = packet.extras.size() == kGetExtras && packet.key.empty() && packet.cas != 0 &&
                     packet.value.size() <= kNodeValueSizeMax;
  if (!sound) return {};
  reply.result = CommandResult::kHit;
  reply.value = packet.value;
  reply.cas = packet.cas;
  return reply;
}

ReplyScan StoreReply(const Packet& packet, const MemcachedCommand& command, ReplyScan reply) {
  switch (packet.code) {
    case kSuccess:
      if (packet.cas == 0) return {};
      reply.result = CommandResult::kStored;
      reply.cas = packet.cas;
      return reply;
    case kKeyExists:
      reply.result = CommandResult::kOther;
      return reply;
    case kKeyMissing:
      if (command.cas == 0) break;
      reply.result = CommandResult::kGone;
      return reply;
    case kTooLarge:
    case kNotStored:
    case kNoMemory:
      reply.result = CommandResult::kRefused;
      reply.message = PrintableLine(packet.value);
      reply.cas = command.cas;
      return reply;
    default:
      break;
  }
  return Failed(packet);
}

bool IsOfferCode(uint16_t code) {
  return code == kSuccess || code == kKeyExists || code == kTooLarge || code == kNotStored || code == kNoMemory;
}

}  // namespace

void AppendBinary(const MemcachedCommand& command, uint32_t number, std::string* text) {
  const size_t extras = HasValue(command) ? 8 : 0;
  AppendHeader(OpcodeOf(command), command.key, extras, command.value.size(), command.cas, number, text);
  if (extras > 0) {
    Append(command.mark, text);
    Append(static_cast<uint32_t>(command.expiration), text);
  }
  text->append(command.key);
}

void AppendBinaryLogin(std::string_view username, std::string_view password, uint32_t number, std::string* text) {
  constexpr std::string_view kMechanism = "PLAIN";
  AppendHeader(Opcode::kSaslAuth, kMechanism, 0, username.size() + password.size() + 2, 0, number, text);
  text->append(kMechanism);
  text->push_back('\0');  // for whom: for the user itself
  text->append(username).push_back('\0');
  text->append(password);
}

void AppendBinaryRemove(std::string_view key, uint64_t cas, uint32_t number, std::string* text) {
  AppendHeader(Opcode::kDelete, key, 0, 0, cas, number, text);
  text->append(key);
}

void AppendBinarySettings(uint32_t number, std::string* text) {
  constexpr std::string_view kSettings = "settings";
  AppendHeader(Opcode::kStat, kSettings, 0, 0, 0, number, text);
  text->append(kSettings);
}

ReplyScan ScanBinaryReply(std::string_view bytes, const MemcachedCommand& command, uint32_t number) {
  const size_t body_max = HasValue(command) ? kTextMax : kGetExtras + kNodeValueSizeMax;
  const Packet packet = TakePacket(bytes, number, body_max);
  ReplyScan reply;
  reply.state = packet.state;
  reply.size = packet.size;
  if (packet.state != AnswerState::kComplete) return reply;
  if (packet.opcode != OpcodeOf(command)) return {};
  if (command.kind == MemcachedCommand::Kind::kGet) return GetReply(packet, std::move(reply));
  if (command.kind == MemcachedCommand::Kind::kStore) return StoreReply(packet, command, std::move(reply));
  return IsOfferCode(packet.code) ? reply : Failed(packet);
}

AnswerScan ScanBinaryOwed(std::string_view bytes, uint32_t number) {
  const Packet packet = TakePacket(bytes, number, kTextMax);
  if (packet.state != AnswerState::kComplete) return {packet.state, packet.size, {}};
  if (packet.opcode == Opcode::kSaslAuth && packet.code != kSuccess && packet.code != kUnknownCommand) {
    ReplyScan failed = Failed(packet);
    return {failed.state, failed.size, std::move(failed.message)};
  }
  const bool known = packet.opcode == Opcode::kSaslAuth || packet.opcode == Opcode::kAdd ||
                     packet.opcode == Opcode::kDelete;
  if (!known) return {};
  return {IsDenial(packet.code) ? AnswerState::kDenied : AnswerState::kComplete, packet.size, {}};
}

AnswerScan ScanBinarySettings(std::string_view bytes, uint32_t number, uint64_t* item_size_max) {
  size_t offset = 0;
  for (;;) {
    if (offset > kSettingsSizeMax) return {};
    const Packet packet = TakePacket(bytes.substr(offset), number, kTextMax);
    if (packet.state == AnswerState::kGarbage) return {};
    if (packet.state == AnswerState::kIncomplete) return {packet.state, offset + packet.size, {}};
    if (packet.opcode != Opcode::kStat || !packet.extras.empty()) return {};
    offset += packet.size;
    if (packet.code != kSuccess) {
      ReplyScan failed = Failed(packet);
      return {failed.state, offset, std::move(failed.message)};
    }
    if (packet.key.empty()) {
      // More than was asked for would be taken for the answer to the next request.
      if (!packet.value.empty() || bytes.size() > offset) return {};
      return {AnswerState::kComplete, offset, {}};
    }
    if (packet.key != "item_size_max") continue;
    uint64_t size = 0;
    const char* const last = packet.value.data() + packet.value.size();
    const auto [end, error] = std::from_chars(packet.value.data(), last, size);
    if (error != std::errc() || end != last) return {};
    *item_size_max = size;
  }
}

}  // namespace clustered_session
