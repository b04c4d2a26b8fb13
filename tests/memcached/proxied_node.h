// A real memcached, a proxy that makes faults before it, and a client that knows only the proxy. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_MEMCACHED_PROXIED_NODE_H_
#define CLUSTERED_SESSION_TESTS_MEMCACHED_PROXIED_NODE_H_

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>

#include "tests/memcached/node_fixture.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"
#include "tests/support/temp_dir.h"

namespace clustered_session {

// It has "v" under "k".
struct ProxiedNode {
  explicit ProxiedNode(Engine engine = Engine::kMeta, NodeTimeouts timeouts = kLongTimeouts,
                       const NodeCredentials& credentials = {})
      : server(Asking(credentials)),
        proxy(server.port()),
        client(engine, TcpAddress(proxy.port()), timeouts, credentials) {
    REQUIRE(server.Set("k", "v"));
  }

  // Until proxy.Heal().
  void AnswerInstead(std::string answer) {
    ProxyFaults faults;
    faults.answer_instead = std::move(answer);
    proxy.Set(faults);
  }

  MemcachedProcess server;
  FaultProxy proxy;
  TestNode client;
};

// A test with this runs over TCP and over a Unix socket. Its client is connected, and may be destroyed.
struct LocalProxiedNode {
  explicit LocalProxiedNode(Engine engine) : over_unix(GENERATE(false, true)) {
    REQUIRE(server.Set("k", "v"));
    client = std::make_unique<TestNode>(engine, over_unix ? UnixAddress(path) : TcpAddress(proxy.port()));
    REQUIRE(client->Read("k").status == NodeStatus::kHit);
  }

  const bool over_unix;
  TempDir folder;
  const std::string path = over_unix ? folder.path() + "/proxy" : "";
  MemcachedProcess server;
  FaultProxy proxy{server.port(), path};
  std::unique_ptr<TestNode> client;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_MEMCACHED_PROXIED_NODE_H_
