// The socket of a libmemcached connection, looked at from outside, or one of our own. Layer: cluster; for
// memcached_connection.h only.
//
// libmemcached has no way to bound an operation: its timeout is per poll(), so that a node which sends a byte now and
// then holds the caller for ever, and it has no API for the descriptor. What it does tell is the local port. The
// descriptor is found once per connection by that and then only looked at (poll, MSG_PEEK), so that libmemcached is
// called when the whole answer has arrived, or not at all. Belongs to one thread; after fork() the child may only
// call Detach().
#ifndef CLUSTERED_SESSION_CLUSTER_MEMCACHED_SOCKET_H_
#define CLUSTERED_SESSION_CLUSTER_MEMCACHED_SOCKET_H_

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "src/base/clock.h"
#include "src/cluster/memcached_answer.h"

namespace clustered_session {

enum class WaitOutcome : uint8_t {
  kComplete,  // the whole answer is in the kernel's buffer
  kLarge,     // as much of a good answer as the kernel's buffer holds; the rest has to be read to be seen
  kTimeout,   // the deadline passed
  kClosed,    // the node closed or reset the connection
  kRefused,   // an error line, in `message`
  kDenied,    // the node does not let in who asks
  kGarbage,   // not an answer to what was asked
};

struct WaitResult {
  WaitOutcome outcome = WaitOutcome::kTimeout;
  size_t received = 0;  // bytes of the answer seen so far
  std::string message;  // of kRefused, and of kClosed if the system names a cause
};

class MemcachedSocket {
 public:
  using Scan = std::function<AnswerScan(std::string_view bytes)>;

  // A descriptor number that is free now, and that the next socket of this process is likely to get; -1 if there is
  // none.
  static int NextDescriptor();

  // Finds the stream socket that was connected since `first` = NextDescriptor(): to `unix_path`, or with `local_port`.
  // Sockets for whose inode `taken` is true belong to other connections. False if there is none.
  bool Find(int first, uint16_t local_port, const std::string& unix_path, const std::function<bool(ino_t)>& taken);

  // Makes a stream socket of our own instead, not connected yet. False: errno says why.
  bool Make(sa_family_t family);
  // Connects it. 0, or the system's number for what went wrong; ETIMEDOUT at the deadline, whatever the node does.
  int Connect(const sockaddr* address, socklen_t length, TimePoint deadline);

  ino_t inode() const { return inode_; }  // 0 before Find() or Make()

  // Whether it is still connected and has nothing to read. One system call.
  bool Idle() const;

  // Waits until `scan` finds a whole answer. Consumes nothing.
  WaitResult WaitAnswer(TimePoint deadline, const Scan& scan);

  // The same, but reads what comes into `bytes`: for an answer that WaitAnswer() found to be kLarge, which no buffer of
  // the kernel holds. libmemcached goes on waiting for it, see FeedInstead().
  WaitResult ReadAnswer(TimePoint deadline, const Scan& scan, std::string* bytes);

  // While `read` runs, the descriptor is a socket that holds `bytes` and nothing else, so that libmemcached can be told
  // that it has read an answer. False, with nothing run, if there are no descriptors for it.
  bool FeedInstead(std::string_view bytes, const std::function<void()>& read);

  // Holds back what is sent, but for full packets, until it is called with false: several commands then arrive at once
  // and wake the node once. Of no effect on a unix socket.
  void Cork(bool on);

  // Sends and reads outside of libmemcached: what it does not know ("version", meta commands), and "stats settings",
  // where it crashes on a lying node. REQUIRES: nothing is buffered in libmemcached.
  bool SendAll(std::string_view bytes);
  bool Discard(size_t size);
  // All of `parts`, which are used up, by the deadline. Only waits if the kernel has no room.
  bool Send(std::span<iovec> parts, TimePoint deadline);
  // From now on Read() need not be told by the kernel first that there is something to read, where it has `patience` or
  // more until its deadline: one system call less. libmemcached must not read from the socket any more.
  void ReadPatiently(Duration patience);
  // Waits for more bytes and reads what there is, at most `size`. kComplete: `received` of them came.
  WaitResult Read(char* data, size_t size, TimePoint deadline);

  // Puts an unconnected socket in the descriptor's place, if it is still the one that was found: nothing that
  // libmemcached does on closing (it sends "quit") reaches the node, and a parent's connection is left alone by a
  // forked child. False if that failed and the connection is still there.
  bool Detach();

  // Closes a socket of Make(), if it is still there. In a forked child that leaves the parent's alone.
  void Close();

 private:
  ssize_t Peek(size_t wanted);
  bool StillOurs() const;
  void SetLowWater(size_t bytes);

  int descriptor_ = -1;
  bool is_unix_ = false;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  Duration patience_ = Duration::zero();  // of the descriptor, which waits by itself if this is not 0
  size_t low_water_ = 1;
  size_t room_ = 0;  // bytes of an answer that are waited for without reading
  std::unique_ptr<char[]> buffer_;
  size_t buffer_size_ = 0;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_MEMCACHED_SOCKET_H_
