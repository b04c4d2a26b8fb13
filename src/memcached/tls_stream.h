// TlsStream: TLS over a connected socket, as a client. Layer: memcached; for transport.h, and for who asks whether it
// is there. Belongs to one thread. Calls do not wait, as those of Socket; what they wait for, the socket's wanted()
// says.
//
// What it takes is made per process: certificates are read when a connection is opened and again when a file has
// changed, and the last session of each node is kept, so that connecting again needs no certificate and half of the
// processor time. After fork() the child makes its own, and may drop the parent's streams.
#ifndef CLUSTERED_SESSION_MEMCACHED_TLS_STREAM_H_
#define CLUSTERED_SESSION_MEMCACHED_TLS_STREAM_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "src/base/result.h"
#include "src/base/save_path.h"
#include "src/cluster/node.h"
#include "src/cluster/node_settings.h"
#include "src/memcached/socket.h"

namespace clustered_session {

// Why there is no TLS, or no more. Without the node's name.
struct TlsProblem {
  NodeFailure failure = NodeFailure::kNone;
  std::string what;
};

class TlsStream {
 public:
  virtual ~TlsStream() = default;

  // Shakes hands, or goes on with that. REQUIRES: the socket is connected
  virtual Io Handshake() = 0;
  // REQUIRES of both: the hands are shaken. Parts that had to wait are handed over again, the same bytes.
  virtual Io Send(std::span<const iovec> parts) = 0;
  // After less than `size`, there is no more until the socket says so.
  virtual Io Receive(char* data, size_t size, bool soon) = 0;

  // After kClosed: what it was that TLS has failed at; kNone: the connection was closed or is broken.
  virtual const TlsProblem& problem() const = 0;
  // Whether the other side has sent anything.
  virtual bool heard() const = 0;
  // Whether the handshake went on with a session of before. REQUIRES: the hands are shaken
  virtual bool resumed() const = 0;
  // The handshake has failed with a session of before. Forgets that, and keeps none of this node any more; false if
  // there was none.
  virtual bool GiveUpResuming() = 0;
};

// Whether this build has TLS, and with which library: null if it has none.
bool TlsBuiltIn();
const char* TlsLibraryVersion();

// For a connection to `node` on `socket`, which outlives it. Errors: a file of the settings cannot be used; no memory.
Result<std::unique_ptr<TlsStream>> MakeTlsStream(const NodeTls& settings, const NodeAddress& node, Socket* socket);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_TLS_STREAM_H_
