// What nodes and networks do wrong with TLS, and what the node client makes of it: each an error of one line, in time.
// Mirrors src/memcached/tls_stream.h.
#ifdef CLUSTERED_SESSION_TLS

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <thread>

#include "src/memcached/classic_node.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/free_port.h"
#include "tests/support/hanging_port.h"
#include "tests/support/memcached_process.h"
#include "tests/support/tls_authority.h"
#include "tests/support/tls_server.h"

namespace clustered_session {
namespace {

constexpr NodeTimeouts kTlsShort = {milliseconds(300), milliseconds(300)};
constexpr Duration kTlsBound = seconds(3);  // for what ends after 0.6 s, on a machine that is busy with other things

void CheckTlsFault(const NodeReply& reply, const std::string& part) {
  INFO(reply.error);
  CHECK(reply.status == NodeStatus::kError);
  CHECK(reply.error.rfind("node m1 (", 0) == 0);
  CHECK(reply.error.find('\n') == std::string::npos);
  CHECK(reply.error.find(part) != std::string::npos);
  CHECK(ERR_peek_error() == 0);
}

NodeTls TrustOf(const TlsAuthority& authority) {
  NodeTls tls;
  tls.ca_file = authority.file();
  return tls;
}

MemcachedProcess::Options WithTls(const std::string& certificate) {
  MemcachedProcess::Options options;
  options.tls = TlsAuthority::Options(certificate);
  return options;
}

// memcached with TLS, a proxy of its bytes, and a client that knows only the proxy.
struct TlsProxiedNode {
  explicit TlsProxiedNode(NodeTimeouts timeouts = kTlsShort)
      : server(WithTls(authority.Issue("node"))),
        proxy(server.tls_port()),
        client(TlsAddress(proxy.port()), TrustOf(authority), timeouts) {
    REQUIRE(server.Set("k", "v"));
  }

  TlsAuthority authority;
  MemcachedProcess server;
  FaultProxy proxy;
  TestNode client;
};

// Answers each connection with these bytes, once it was asked something.
class RawPeer {
 public:
  explicit RawPeer(std::string answer) : answer_(std::move(answer)), listener_(ListenOnLoopback(&port_)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~RawPeer() {
    stop_ = true;
    thread_.join();
    close(listener_);
  }
  uint16_t port() const { return port_; }

 private:
  void Run() {
    while (!stop_) {
      pollfd item{listener_, POLLIN, 0};
      if (poll(&item, 1, 10) <= 0) continue;
      const int client = accept(listener_, nullptr, nullptr);
      char data[4096];
      if (recv(client, data, sizeof data, 0) > 0) (void)send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      // Until the client leaves, or the test ends.
      pollfd left{client, POLLIN, 0};
      while (!stop_ && (poll(&left, 1, 10) == 0 || recv(client, data, sizeof data, 0) > 0)) continue;
      close(client);
    }
  }

  const std::string answer_;
  uint16_t port_ = 0;
  const int listener_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

TEST_CASE("plain text on a port with TLS, and TLS on a port without it, are told from a node that fails") {
  TlsAuthority authority;
  MemcachedProcess server(WithTls(authority.Issue("node")));
  TestNode secure(TlsAddress(server.port()), TrustOf(authority), kTlsShort);
  // What is random in the first message has an end of line or not: then memcached answers, or waits for one.
  for (int i = 0; i < 5; ++i) {
    const NodeReply reply = secure.Read("k");
    const bool waits = reply.failure == NodeFailure::kConnectTimeout;
    CheckTlsFault(reply, waits ? "no answer to TLS: the node hangs, or this port has no TLS" : "(has this port TLS?)");
  }
  TestNode plain(TcpAddress(server.tls_port()), kTlsShort);
  const NodeReply closed = plain.Read("k");  // it resets the connection, sooner or later
  const bool sending = closed.error.find("cannot send") != std::string::npos;
  CheckTlsFault(closed, sending ? "cannot send: Connection reset by peer" : "closed the connection");
  // OpenSSL's servers say what is wrong before they close.
  RawPeer alert(std::string("\x15\x03\x03\x00\x02\x02\x0a", 7));
  TestNode told(TcpAddress(alert.port()), kTlsShort);
  CheckTlsFault(told.Read("k"), "speaks TLS: write tls:// before its address in session.save_path");
}

TEST_CASE("a node that hangs, drips, closes or sends garbage in the handshake is an error of its own, in time") {
  TlsProxiedNode node;
  const TimePoint start = Now();
  ProxyFaults faults;
  std::string error;
  SECTION("hangs before it") {
    faults.black_hole = true;
    error = "no answer to TLS: the node hangs, or this port has no TLS after 3";
  }
  SECTION("hangs in the middle") {
    faults.stall_after = 100;
    error = "TLS handshake timed out after 3";
  }
  SECTION("drips") {
    faults.drip = milliseconds(5);
    error = "TLS handshake timed out after 3";
  }
  SECTION("closes") {
    faults.close_on_request = true;
    error = "TLS: closed the connection in the handshake (has this port TLS?)";
  }
  SECTION("closes in the middle") {
    faults.cut_after = 100;
    error = "TLS: closed the connection in the handshake (has this port TLS?)";
  }
  node.proxy.Set(faults);
  CheckTlsFault(node.client.Read("k"), error);
  CHECK(Now() - start < kTlsBound);
  node.proxy.Heal();
  // A busy machine may not complete a handshake in the client's short time at once.
  CHECK(WaitUntil([&] { return node.client.Read("k").value == "v"; }));
}

TEST_CASE("garbage in place of a handshake is an error of its own") {
  TlsAuthority authority;
  for (const std::string& garbage :
       {std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string(20000, 'x'), std::string(20000, '\x16'),
        std::string("\x16\x03\x03\xff\xff", 5) + std::string(70000, 'a'), std::string(100, '\0'),
        std::string("\x16\x03\x03\x00\x04\x02\x00\x00\x00", 9)}) {
    RawPeer peer(garbage);
    TestNode client(TlsAddress(peer.port()), TrustOf(authority), kTlsShort);
    CheckTlsFault(client.Read("k"), "TLS");
  }
  RawPeer http("HTTP/1.1 400 Bad Request\r\n\r\n");
  TestNode client(TlsAddress(http.port()), TrustOf(authority), kTlsShort);
  CheckTlsFault(client.Read("k"), "TLS: answered something else (has this port TLS?)");
}

TEST_CASE("a connection that is cut at any byte of the node's part of the handshake is an error, and no more") {
  TlsProxiedNode node(kLongTimeouts);
  size_t cut = 0;
  for (bool shaking = true; shaking && cut < 6000; cut += cut < 60 ? 1 : 23) {
    ProxyFaults faults;
    faults.cut_after = cut;
    node.proxy.Set(faults);
    TestNode client(TlsAddress(node.proxy.port()), TrustOf(node.authority));
    const NodeReply reply = client.Read("k");
    CheckTlsFault(reply, "closed the connection");
    shaking = reply.error.find("in the handshake") != std::string::npos;
  }
  CHECK(cut > 300);
  CHECK(cut < 6000);
  node.proxy.Heal();
  CHECK(node.client.Read("k").value == "v");
}

TEST_CASE("an open connection with TLS that hangs, drips or is closed is an error in time, and is opened anew") {
  TlsProxiedNode node;
  REQUIRE(node.server.Set("large", std::string(100000, 'v')));
  REQUIRE(node.client.Read("k").value == "v");
  const TimePoint start = Now();
  ProxyFaults faults;
  std::string key = "k";
  std::string error;
  SECTION("hangs") {
    faults.black_hole = true;
    error = "no answer after ";
  }
  SECTION("hangs in the middle of a record") {
    faults.stall_after = 10;
    error = "no answer after ";
  }
  SECTION("hangs behind some records") {
    faults.stall_after = 40000;
    key = "large";
    error = "no complete answer after ";
  }
  SECTION("drips") {
    faults.drip = milliseconds(5);
    key = "large";
    error = "no answer after ";
  }
  SECTION("is closed in the middle of an answer") {
    faults.cut_after = 40000;
    key = "large";
    error = "closed the connection in the middle of an answer";
  }
  node.proxy.Set(faults);
  CheckTlsFault(node.client.Read(key), error);
  CHECK(Now() - start < kTlsBound);
  node.proxy.Heal();
  CHECK(WaitUntil([&] { return node.client.Read("k").value == "v"; }));
  node.proxy.CloseConnections();
  CHECK(node.client.Read("k").value == "v");  // on a new one, at once
}

TEST_CASE("a connection with TLS that a firewall has forgotten is no failure of the node") {
  TlsProxiedNode node({seconds(5), seconds(2), Duration::zero()});  // any connection may be forgotten
  REQUIRE(node.client.Read("k").value == "v");
  node.proxy.ForgetConnections();
  CHECK(node.client.Read("k").value == "v");
  CHECK(node.client.counters.node_errors.Get() == 0);
}

TEST_CASE("a megabyte goes on where the socket has no room for it") {
  TlsProxiedNode node(kLongTimeouts);
  REQUIRE(node.client.Read("k").value == "v");
  ProxyFaults faults;
  faults.deaf = true;
  node.proxy.Set(faults);
  const std::string value(900000, 'x');
  node.client.node->StartWrite("large", value, seconds(1000), {}, Now() + seconds(10));
  node.proxy.Heal();
  CHECK(node.client.node->FinishWrite().status == NodeStatus::kStored);
  CHECK(node.server.Get("large") == value);
}

TEST_CASE("a node that misbehaves inside of TLS is an error in time") {
  TlsAuthority authority;
  TlsServer::Options options{authority.Issue("node")};
  std::string error;
  NodeTimeouts timeouts = {seconds(10), seconds(10)};  // the error comes at once, also on a busy machine
  std::atomic<bool> over{false};
  const auto read = [&over](SSL* ssl) {
    char data[4096];
    int size = 0;
    do {
      size = SSL_read(ssl, data, sizeof data);
    } while (size <= 0 && SSL_get_error(ssl, size) == SSL_ERROR_WANT_READ && !over);
    return size > 0;
  };
  SECTION("garbage between records") {
    options.instead = [&](SSL* ssl) {
      const std::string garbage(100, 'x');
      if (read(ssl)) (void)send(SSL_get_fd(ssl), garbage.data(), garbage.size(), MSG_NOSIGNAL);
      read(ssl);
    };
    error = "TLS: ";
  }
  SECTION("garbage inside of a record") {
    options.instead = [&](SSL* ssl) {
      if (read(ssl)) SSL_write(ssl, "what?\r\n", 7);
      read(ssl);
    };
    error = "answered something else than memcached's protocol or what was asked for";
  }
  SECTION("a record that was changed on its way") {
    options.instead = [&](SSL* ssl) {
      const std::string record = std::string("\x17\x03\x03\x00\x40", 5) + std::string(64, 'x');
      if (read(ssl)) (void)send(SSL_get_fd(ssl), record.data(), record.size(), MSG_NOSIGNAL);
      read(ssl);
    };
    error = "TLS: ";
  }
  SECTION("it says that it closes, and does not") {
    options.instead = [&](SSL* ssl) {
      if (read(ssl)) SSL_shutdown(ssl);
      read(ssl);
    };
    error = "closed the connection";
  }
  SECTION("it sends tickets without an end") {
    options.instead = [&](SSL* ssl) {
      for (int i = 0; i < 5000 && SSL_new_session_ticket(ssl) == 1 && SSL_do_handshake(ssl) == 1; ++i) {
      }
      read(ssl);
    };
    error = "TLS: the node sends more than an answer has";
  }
  SECTION("it wants to shake hands again") {
    options.version_max = TLS1_2_VERSION;
    options.instead = [&](SSL* ssl) {
      SSL_renegotiate(ssl);
      SSL_do_handshake(ssl);
      while (read(ssl)) {
      }
    };
    error = "node m1";
    timeouts = {seconds(2), milliseconds(500)};  // it may be that no answer comes
  }
  TlsServer server(options);
  TestNode client(TlsAddress(server.port()), TrustOf(authority), timeouts);
  const TimePoint start = Now();
  CheckTlsFault(client.Read("k"), error);
  CHECK(Now() - start < kTlsBound + timeouts.connect + timeouts.operation);
  over = true;
}

TEST_CASE("a service that tells no settings takes a large value over TLS") {
  TlsAuthority authority;
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  ProxyFaults faults;
  faults.close_on_text = "stats settings";
  proxy.Set(faults);
  TlsServer tls({authority.Issue("node"), proxy.port()});
  TestNode client(TlsAddress(tls.port()), TrustOf(authority));
  const std::string value(200000, 'v');
  CHECK(client.Write("k", value).status == NodeStatus::kStored);
  CHECK(server.Get("k") == value);
}

TEST_CASE("a node without meta commands is refused over TLS, and libmemcached never speaks to one with TLS") {
  TlsAuthority authority;
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  proxy.HideMeta();
  TlsServer tls({authority.Issue("node"), proxy.port()});
  TestNode client(TlsAddress(tls.port()), TrustOf(authority));
  for (int i = 0; i < 2; ++i) {
    CheckTlsFault(client.Read("k"), "does not know meta commands, which TLS takes here: memcached 1.6.10 or later");
  }
  CHECK(proxy.requests().find("gets") == std::string::npos);
  TestNode classic(Engine::kClassic, TlsAddress(tls.port()));
  CheckTlsFault(classic.Read("k"), "libmemcached has no TLS, which this node is to speak");
}

}  // namespace
}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TLS
