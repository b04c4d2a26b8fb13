// What the tests of the node client share: a node with its health and counters, and whole operations. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_MEMCACHED_NODE_FIXTURE_H_
#define CLUSTERED_SESSION_TESTS_MEMCACHED_NODE_FIXTURE_H_

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/memcached/classic_node.h"
#include "src/memcached/memcached_node.h"
#include "src/memcached/resolver.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline TimePoint Now() { return std::chrono::steady_clock::now(); }

inline NodeAddress TcpAddress(uint16_t port, const std::string& host = "127.0.0.1") {
  NodeAddress address;
  address.name = "m1";
  address.host = host;
  address.port = port;
  return address;
}

inline NodeAddress TlsAddress(uint16_t port, const std::string& host = "127.0.0.1") {
  NodeAddress address = TcpAddress(port, host);
  address.tls = true;
  return address;
}

inline NodeAddress UnixAddress(const std::string& path) {
  NodeAddress address;
  address.name = "m1";
  address.unix_path = path;
  return address;
}

// How often `part` is in `text`.
inline size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

inline const NodeCredentials kTextUser{"web", "s3cret:word"};
inline const NodeCredentials kSaslUser{"web", "s3cret:word", Authentication::kSasl};

// A memcached that asks for these, in the way that they are for.
inline MemcachedProcess::Options Asking(const NodeCredentials& credentials, std::vector<std::string> arguments = {}) {
  MemcachedProcess::Options options;
  options.arguments = std::move(arguments);
  options.username = credentials.username;
  options.password = credentials.password;
  options.sasl = credentials.method == Authentication::kSasl;
  return options;
}

// What stands behind cluster/node.h.
enum class Engine { kMeta, kClassic };

inline std::unique_ptr<Node> MakeNode(Engine engine, const NodeAddress& address, const NodeTimeouts& timeouts,
                                      NodeHealth* health, Counters* counters, const NodeCredentials& credentials = {}) {
  return engine == Engine::kClassic ? MakeClassicNode({address, timeouts, credentials}, health, counters)
                                    : MakeMemcachedNode(address, timeouts, health, counters, credentials);
}

// Only one has SASL.
inline Engine EngineOf(const NodeCredentials& credentials) {
  return credentials.method == Authentication::kSasl ? Engine::kClassic : Engine::kMeta;
}

// For where nothing is to be waited for: so long that a loaded machine fails no test.
inline constexpr NodeTimeouts kLongTimeouts = {seconds(5), seconds(5)};

// The process's resolver asks `lookup` while this lives.
struct AsksFor {
  explicit AsksFor(Resolver::Lookup lookup) { Resolver::OfProcess().SetLookup(std::move(lookup)); }
  ~AsksFor() { Resolver::OfProcess().SetLookup(LookUpHost); }
};

struct TestNode {
  // With TLS.
  TestNode(const NodeAddress& address, const NodeTls& tls, NodeTimeouts timeouts = kLongTimeouts)
      : node(MakeMemcachedNode(address, timeouts, &health, &counters, {}, tls)) {}
  explicit TestNode(const NodeAddress& address, NodeTimeouts timeouts = kLongTimeouts,
                    NodeHealth* shared_health = nullptr)
      : TestNode(Engine::kMeta, address, timeouts, {}, shared_health) {}
  TestNode(const NodeAddress& address, const NodeCredentials& credentials, NodeTimeouts timeouts = kLongTimeouts)
      : TestNode(EngineOf(credentials), address, timeouts, credentials) {}
  TestNode(Engine engine, const NodeAddress& address, NodeTimeouts timeouts = kLongTimeouts,
           const NodeCredentials& credentials = {}, NodeHealth* shared_health = nullptr)
      : node(MakeNode(engine, address, timeouts, shared_health != nullptr ? shared_health : &health, &counters,
                      credentials)) {}

  NodeReply Read(std::string_view key, Duration timeout = seconds(10)) {
    node->StartRead(key, Now() + timeout);
    return node->FinishRead();
  }
  NodeReply Write(std::string_view key, std::string_view value, const NodeToken& expected = {},
                  Duration timeout = seconds(10), seconds ttl = seconds(1000)) {
    node->StartWrite(key, value, ttl, expected, Now() + timeout);
    NodeReply reply = node->FinishWrite();
    // As NodeSet does it.
    return reply.status == NodeStatus::kContested ? ContestedReply(Read(key, timeout), value) : reply;
  }

  // Reads "k" and asks for its lock.
  NodeReply Claim(std::string_view owner) {
    const LockClaim lock{"k:lock", owner, seconds(100)};
    node->StartRead("k", Now() + seconds(10), &lock);
    return node->FinishRead();
  }

  NodeHealth health{};
  Counters counters;
  std::unique_ptr<Node> node;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_MEMCACHED_NODE_FIXTURE_H_
