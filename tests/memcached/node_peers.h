// The kinds of nodes that both engines have the same outcomes with: a real memcached, what stands before it, and the
// engine that serves it. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_MEMCACHED_NODE_PEERS_H_
#define CLUSTERED_SESSION_TESTS_MEMCACHED_NODE_PEERS_H_

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/memcached/node_fixture.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"
#include "tests/support/nutcracker_process.h"

namespace clustered_session {

struct PeerKind {
  std::string name;
  Engine engine = Engine::kMeta;
  bool proxied = false;  // by nutcracker
  NodeCredentials credentials = {};

  bool sasl() const { return credentials.method == Authentication::kSasl; }
};

// Those that can be had on this machine.
inline std::vector<PeerKind> PeerKinds() {
  std::vector<PeerKind> kinds = {{"meta", Engine::kMeta},
                                 {"classic", Engine::kClassic},
                                 {"classic with a password", Engine::kClassic, false, kTextUser},
                                 {"classic with SASL", Engine::kClassic, false, kSaslUser}};
  if (NutcrackerProcess::Installed()) kinds.push_back({"classic behind nutcracker", Engine::kClassic, true});
  return kinds;
}

// client - FaultProxy - [nutcracker -] memcached
struct Peer {
  explicit Peer(const PeerKind& its_kind, std::vector<std::string> arguments = {})
      : kind(its_kind),
        server(Asking(kind.credentials, std::move(arguments))),
        nutcracker(kind.proxied
                       ? std::make_unique<NutcrackerProcess>(std::vector<uint16_t>{server.port()},
                                                             std::vector<std::string>{"server_retry_timeout: 1"})
                       : nullptr),
        proxy(kind.proxied ? nutcracker->port() : server.port()) {}

  std::unique_ptr<TestNode> NewNode(NodeTimeouts timeouts = kLongTimeouts, NodeHealth* health = nullptr) {
    return std::make_unique<TestNode>(kind.engine, TcpAddress(proxy.port()), timeouts, kind.credentials, health);
  }

  const PeerKind kind;
  MemcachedProcess server;
  std::unique_ptr<NutcrackerProcess> nutcracker;
  FaultProxy proxy;
};

// One of the kind that it is this run's turn to be: a test with this runs once for each kind, and what fails names it.
struct EachPeer : Peer {
  EachPeer() : Peer(GENERATE(from_range(PeerKinds()))) {}

  const Catch::ScopedMessage named{Catch::MessageBuilder("INFO", CATCH_INTERNAL_LINEINFO, Catch::ResultWas::Info)
                                   << kind.name};
};

// Once more while it is an error, as nutcracker has to find out by errors that its server has changed. 20 seconds at
// most.
inline NodeReply UntilNoError(const std::function<NodeReply()>& operation) {
  const TimePoint end = Now() + seconds(20);
  NodeReply reply = operation();
  while (reply.status == NodeStatus::kError && Now() < end) reply = operation();
  return reply;
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_MEMCACHED_NODE_PEERS_H_
