// Connections that begin with SASL, see memcached_connection.h. Layer: cluster. Without libmemcached, whose SASL waits
// without an end, a step at a time: here user name and password leave with the first flight, and cost no wait.
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "src/cluster/memcached_binary.h"
#include "src/cluster/memcached_connection.h"
#include "src/cluster/memcached_node.h"
#include "src/cluster/owned_sockets.h"

namespace clustered_session {
namespace {

struct SocketAddress {
  sockaddr_storage storage;
  socklen_t length = 0;
};

// `host` is a path or an address in numbers: nothing is asked of a resolver.
bool Parse(const NodeAddress& address, const std::string& host, SocketAddress* parsed) {
  std::memset(&parsed->storage, 0, sizeof parsed->storage);
  if (address.is_unix()) {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    if (host.size() >= sizeof local.sun_path) return false;
    std::memcpy(local.sun_path, host.c_str(), host.size() + 1);
    std::memcpy(&parsed->storage, &local, sizeof local);
    parsed->length = sizeof local;
    return true;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(address.port).c_str(), &hints, &list) != 0) return false;
  std::memcpy(&parsed->storage, list->ai_addr, list->ai_addrlen);
  parsed->length = list->ai_addrlen;
  freeaddrinfo(list);
  return true;
}

}  // namespace

Status MemcachedConnection::OpenBinary(const NodeAddress& address, const NodeCredentials& credentials,
                                       const std::string& host, TimePoint deadline, std::string_view key,
                                       std::string_view value) {
  const auto cannot = [](int error) {
    if (error == ETIMEDOUT) return Error(ErrorCode::kTimeout, "connect timed out");
    return Error(ErrorCode::kUnavailable, "cannot connect: " + std::generic_category().message(error));
  };
  SocketAddress target;
  if (!Parse(address, host, &target)) return cannot(EINVAL);
  {
    // Others who look for a socket of theirs must not take this one.
    const OpenLock lock(deadline);
    if (!lock.held()) return Error(ErrorCode::kTimeout, "connect timed out (other threads are connecting)");
    if (!socket_.Make(target.storage.ss_family)) return cannot(errno);
    OwnedSockets().insert(socket_.inode());
  }
  protocol_ = Protocol::kBinary;
  process_ = ProcessNumber();
  spent_ = false;
  authenticates_ = true;
  const int error = socket_.Connect(reinterpret_cast<const sockaddr*>(&target.storage), target.length, deadline);
  if (error != 0) {
    Drop();
    return cannot(error);
  }
  opening_.clear();
  AppendBinaryLogin(credentials.username, credentials.password, 1, &opening_);
  AppendBinary({MemcachedCommand::Kind::kOffer, key, value, 0, 0, 0}, 2, &opening_);
  opening_.append(value);
  sent_ = owed_ = 2;
  return Status::Ok();
}

Result<uint64_t> MemcachedConnection::AskBinarySettings(TimePoint deadline) {
  lines_ = std::move(opening_);
  opening_.clear();
  AppendBinarySettings(++sent_, &lines_);
  if (!socket_.SendAll(lines_)) return Error(ErrorCode::kUnavailable, "cannot send");
  uint64_t item_size_max = 0;
  std::string bytes;
  const auto scan_all = [&](std::string_view seen) {
    size_t offset = 0;
    for (uint32_t i = 0; i < owed_; ++i) {
      AnswerScan scan = ScanBinaryOwed(seen.substr(offset), sent_ - owed_ + i);
      offset += scan.size;
      if (scan.state != AnswerState::kComplete) return AnswerScan{scan.state, offset, std::move(scan.message)};
    }
    AnswerScan scan = ScanBinarySettings(seen.substr(offset), sent_, &item_size_max);
    scan.size += offset;
    return scan;
  };
  const WaitResult wait = socket_.ReadAnswer(deadline, scan_all, &bytes);
  if (wait.outcome != WaitOutcome::kComplete) return Error(ErrorCode::kUnavailable, "does not tell its settings");
  owed_ = 0;
  return item_size_max;
}

}  // namespace clustered_session
