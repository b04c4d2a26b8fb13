#include "src/cluster/owned_sockets.h"

#include <poll.h>

#include <atomic>
#include <chrono>

namespace clustered_session {
namespace {

std::set<ino_t>* owned_sockets = nullptr;  // never destroyed: connections may be closed by static destructors

std::atomic<uint64_t> open_owner{0};

}  // namespace

std::set<ino_t>& OwnedSockets() {
  if (owned_sockets == nullptr) owned_sockets = new std::set<ino_t>;
  return *owned_sockets;
}

OpenLock::OpenLock(TimePoint deadline) {
  while (!(held_ = Try()) && std::chrono::steady_clock::now() < deadline) poll(nullptr, 0, 1);
}

OpenLock::~OpenLock() {
  if (held_) open_owner.store(0, std::memory_order_release);
}

bool OpenLock::Try() {
  const uint64_t mine = ProcessNumber() + 1;
  uint64_t owner = 0;
  if (open_owner.compare_exchange_strong(owner, mine, std::memory_order_acquire)) return true;
  if (owner == mine || !open_owner.compare_exchange_strong(owner, mine, std::memory_order_acquire)) return false;
  owned_sockets = nullptr;  // left by the parent's thread in the middle of whatever it did
  return true;
}

void DisownSocket(ino_t inode) {
  if (inode == 0) return;
  const OpenLock lock(std::chrono::steady_clock::now() + std::chrono::milliseconds(100));
  if (lock.held()) OwnedSockets().erase(inode);  // if not: inodes are not soon used again
}

}  // namespace clustered_session
