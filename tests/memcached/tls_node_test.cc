// Nodes over TLS that are well: real memcached, versions, names, certificates, sessions, renewal. Mirrors
// src/memcached/tls_stream.h and tls_client.h.
#ifdef CLUSTERED_SESSION_TLS

#include <openssl/err.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "src/cluster/flight.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"
#include "tests/support/tls_authority.h"
#include "tests/support/tls_server.h"

namespace clustered_session {
namespace {

MemcachedProcess::Options TlsMemcached(const std::string& certificate, std::vector<std::string> arguments = {}) {
  MemcachedProcess::Options options;
  options.tls = TlsAuthority::Options(certificate);
  options.arguments = std::move(arguments);
  return options;
}

NodeTls Trusting(const TlsAuthority& authority) {
  NodeTls tls;
  tls.ca_file = authority.file();
  return tls;
}

void CheckTlsError(const NodeReply& reply, const std::string& part) {
  INFO(reply.error);
  CHECK(reply.status == NodeStatus::kError);
  CHECK(reply.error.rfind("node m1 (tls://", 0) == 0);
  CHECK(reply.error.find('\n') == std::string::npos);
  CHECK(reply.error.find(part) != std::string::npos);
  CHECK(ERR_peek_error() == 0);  // PHP's openssl would take it for its own
}

#define CHECK_STORED(reply)                      \
  do {                                           \
    const NodeReply stored = (reply);            \
    INFO(stored.error);                          \
    CHECK(stored.status == NodeStatus::kStored); \
  } while (false)

TEST_CASE("a memcached with TLS is read and written, with 1.2 and 1.3, and with values of one byte and of a megabyte") {
  TlsAuthority authority;
  MemcachedProcess::Options options = TlsMemcached(authority.Issue("node"), {"-I", "4m"});
  const bool old_version = GENERATE(false, true);
  if (old_version) {
    const std::string file = authority.folder() + "/openssl.cnf";
    std::ofstream(file) << "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = system\n"
                        << "[system]\nMaxProtocol = TLSv1.2\n";
    options.environment = {{"OPENSSL_CONF", file}};
  }
  MemcachedProcess server(options);
  TestNode client(TlsAddress(server.tls_port()), Trusting(authority));
  for (const size_t size : {size_t{1}, size_t{4096}, size_t{16384}, size_t{16385}, size_t{1} << 20}) {
    const std::string key = "k" + std::to_string(size);
    std::string value(size, 'v');
    for (size_t i = 0; i < size; i += 97) value[i] = static_cast<char>('a' + i % 26);
    CHECK_STORED(client.Write(key, value));
    CHECK(server.Get(key) == value);
    const NodeReply read = client.Read(key);
    CHECK(read.value == value);
    CHECK_STORED(client.Write(key, "other", read.token));
  }
  CHECK(client.counters.node_connects.Get() == 1);
  CHECK(client.counters.node_errors.Get() == 0);
  CHECK(server.Stat("curr_connections") >= 1);
}

TEST_CASE("waits are the same with TLS as without it") {
  TlsAuthority authority;
  MemcachedProcess server(TlsMemcached(authority.Issue("node")));
  TestNode plain(TcpAddress(server.port()));
  TestNode secure(TlsAddress(server.tls_port()), Trusting(authority));
  for (TestNode* each : {&plain, &secure}) {
    NodeReply read = each->Read("k");
    for (int i = 0; i < 5; ++i) {
      read = each->Read("k");
      REQUIRE(each->Write("k", "v", read.token).status == NodeStatus::kStored);
    }
  }
  CHECK(secure.counters.node_waits.Get() == plain.counters.node_waits.Get());
}

TEST_CASE("a certificate is refused that is of another name, another authority, or another time") {
  struct Case {
    std::string names;
    seconds from;
    seconds until;
    bool other_authority;
    std::string error;
  };
  const Case each = GENERATE(values<Case>({
      {"DNS:other.example", seconds(-60), seconds(3600), false, "TLS: its certificate is not for \"127.0.0.1\" (clus"},
      {"IP:127.0.0.2", seconds(-60), seconds(3600), false, "TLS: its certificate is not for \"127.0.0.1\" (clus"},
      {"IP:127.0.0.1", seconds(-7200), seconds(-3600), false,
       "TLS: its certificate is refused: certificate has expired"},
      {"IP:127.0.0.1", seconds(3600), seconds(7200), false, "TLS: its certificate is refused: certificate is not yet"},
      {"IP:127.0.0.1", seconds(-60), seconds(3600), true,
       "TLS: no authority that this server trusts vouches for its certificate (clustered_session.tls_ca_file): "},
  }));
  TlsAuthority authority;
  TlsAuthority other("other");
  MemcachedProcess server(TlsMemcached(authority.Issue("node", {each.names, each.from, each.until})));
  NodeTls tls = Trusting(each.other_authority ? other : authority);
  TestNode client(TlsAddress(server.tls_port()), tls);
  CheckTlsError(client.Read("k"), each.error);
  CheckTlsError(client.Write("k", "v"), each.error);
  CHECK(client.counters.node_connects.Get() == 0);
  // Who is told to check nothing takes them all.
  tls.verifies = false;
  TestNode careless(TlsAddress(server.tls_port()), tls);
  CHECK_STORED(careless.Write("k", "v"));
  // The system's authorities know none of them.
  TestNode by_system(TlsAddress(server.tls_port()), NodeTls());
  CHECK(by_system.Read("k").status == NodeStatus::kError);
}

TEST_CASE("the name of the settings is asked for and checked in place of the host") {
  TlsAuthority authority;
  MemcachedProcess memcached;
  TlsServer server({authority.Issue("node", {"DNS:nodes.example", seconds(-60), seconds(3600)}), memcached.port()});
  NodeTls tls = Trusting(authority);
  TestNode by_address(TlsAddress(server.port()), tls);
  CheckTlsError(by_address.Read("k"), "not for \"127.0.0.1\"");
  CHECK(server.asked_name().empty());
  tls.server_name = "nodes.example";
  TestNode by_name(TlsAddress(server.port()), tls);
  CHECK_STORED(by_name.Write("k", "v"));
  CHECK(server.asked_name() == "nodes.example");
  tls.server_name = "odes.example";
  TestNode by_part(TlsAddress(server.port()), tls);
  CheckTlsError(by_part.Read("k"), "not for \"odes.example\"");
}

TEST_CASE("a star in a certificate stands for a whole part of a name") {
  TlsAuthority authority;
  MemcachedProcess memcached;
  const bool whole = GENERATE(true, false);
  const std::string names = whole ? "DNS:*.site.example" : "DNS:n*.site.example";
  TlsServer server({authority.Issue("node", {names, seconds(-60), seconds(3600)}), memcached.port()});
  NodeTls tls = Trusting(authority);
  tls.server_name = "nodes.site.example";
  TestNode client(TlsAddress(server.port()), tls);
  if (whole) {
    CHECK_STORED(client.Write("k", "v"));
    return;
  }
  CheckTlsError(client.Read("k"), "not for \"nodes.site.example\"");
}

TEST_CASE("the host of save_path is asked for by its name") {
  TlsAuthority authority;
  MemcachedProcess memcached;
  TlsServer server({authority.Issue("node"), memcached.port()});
  TestNode client(TlsAddress(server.port(), "localhost"), Trusting(authority));
  CHECK_STORED(client.Write("k", "v"));
  CHECK(server.asked_name() == "localhost");
}

TEST_CASE("a node that asks for a certificate gets it") {
  TlsAuthority authority;
  MemcachedProcess::Options options = TlsMemcached(authority.Issue("node"));
  options.tls.insert(options.tls.end(), {"ssl_verify_mode=2", "ssl_ca_cert=" + authority.file()});
  MemcachedProcess server(options);
  NodeTls tls = Trusting(authority);
  TestNode without(TlsAddress(server.tls_port()), tls);
  CHECK(without.Read("k").status == NodeStatus::kError);
  tls.certificate = authority.Issue("web");
  TestNode with(TlsAddress(server.tls_port()), tls);
  CHECK_STORED(with.Write("k", "v"));
  // Such a memcached breaks off what is resumed: it is connected to anew, within the same operation.
  for (int i = 0; i < 3; ++i) {
    TestNode next(TlsAddress(server.tls_port()), tls);
    CHECK(next.Read("k").value == "v");
    CHECK(next.counters.node_errors.Get() == 0);
  }
  TlsAuthority stranger("stranger");
  tls.certificate = stranger.Issue("web");
  TestNode wrong(TlsAddress(server.tls_port()), tls);
  CHECK(wrong.Read("k").status == NodeStatus::kError);
}

TEST_CASE("a worker's next connection goes on with the session of the last one") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  TlsAuthority authority;
  MemcachedProcess memcached;
  TlsServer::Options options{authority.Issue("node"), memcached.port(), version};
  SECTION("by each connection") {
    TlsServer server(options);
    for (int i = 0; i < 4; ++i) {
      TestNode client(TlsAddress(server.port()), Trusting(authority));
      CHECK_STORED(client.Write("k" + std::to_string(i), "v"));
      CHECK(client.counters.node_connects.Get() == 1);
      CHECK(client.counters.tls_handshakes.Get() == (i == 0 ? 1 : 0));
    }
    CHECK(server.full() == 1);
    CHECK(server.resumed() == 3);
  }
  SECTION("not with a server that breaks that off, which costs no operation") {
    options.breaks_resuming = true;
    TlsServer server(options);
    for (int i = 0; i < 4; ++i) {
      TestNode client(TlsAddress(server.port()), Trusting(authority));
      CHECK_STORED(client.Write("k" + std::to_string(i), "v"));
      CHECK(client.counters.tls_handshakes.Get() == 1);
    }
    CHECK(server.resumed() == 0);
  }
  SECTION("not with another server's, nor with other settings") {
    TlsServer server(options);
    TlsServer other(options);
    NodeTls tls = Trusting(authority);
    for (const uint16_t port : {server.port(), other.port()}) {
      TestNode client(TlsAddress(port), tls);
      REQUIRE(client.Read("k").status == NodeStatus::kMiss);
    }
    tls.verifies = false;
    TestNode client(TlsAddress(server.port()), tls);
    REQUIRE(client.Read("k").status == NodeStatus::kMiss);
    CHECK(server.full() == 2);
    CHECK(other.full() == 1);
  }
}

TEST_CASE("files that are renewed are used by the next connection") {
  TlsAuthority first("first");
  TlsAuthority second("second");
  MemcachedProcess::Options options = TlsMemcached(second.Issue("node"));
  options.tls.insert(options.tls.end(), {"ssl_verify_mode=2", "ssl_ca_cert=" + second.file()});
  MemcachedProcess server(options);
  TempDir folder;
  const auto put = [&](const std::string& from, const std::string& name) {
    std::ofstream(folder.path() + "/new") << std::ifstream(from).rdbuf();
    REQUIRE(rename((folder.path() + "/new").c_str(), (folder.path() + "/" + name).c_str()) == 0);
  };
  NodeTls tls;
  tls.ca_file = folder.path() + "/ca";
  tls.certificate = folder.path() + "/web";
  put(first.file(), "ca");
  put(first.Issue("web"), "web");
  TestNode client(TlsAddress(server.tls_port()), tls);
  CheckTlsError(client.Read("k"), "no authority that this server trusts");
  put(second.file(), "ca");
  CHECK(client.Read("k").status == NodeStatus::kError);  // the node knows no such client
  put(second.Issue("web"), "web");
  CHECK_STORED(client.Write("k", "v"));
  // A file that is no certificate while it is being written: what was read before stays.
  std::ofstream(tls.certificate) << "-----BEGIN";
  server.Restart();
  CHECK_STORED(client.Write("k", "v"));
  TestNode other_worker(TlsAddress(server.tls_port()), tls);
  CHECK(other_worker.Read("k").value == "v");
}

TEST_CASE("a file that cannot be used is named, with its setting") {
  TlsAuthority authority;
  MemcachedProcess server(TlsMemcached(authority.Issue("node")));
  NodeTls tls = Trusting(authority);
  std::string error;
  SECTION("no authorities") {
    tls.ca_file = "/nowhere/ca.pem";
    error = "clustered_session.tls_ca_file: cannot use \"/nowhere/ca.pem\": No such file or directory";
  }
  SECTION("a folder") {
    tls.ca_file = "/";
    error = "clustered_session.tls_ca_file: cannot use \"/\": ";
  }
  SECTION("no certificate") {
    tls.certificate = authority.folder() + "/text";
    std::ofstream(tls.certificate) << "text\n";
    error = "clustered_session.tls_certificate: cannot use \"" + tls.certificate + "\": no start line";
  }
  SECTION("a certificate without its key") {
    tls.certificate = authority.file();
    error = "clustered_session.tls_key: cannot use \"" + authority.file() + "\": ";
  }
  SECTION("another key") {
    tls.certificate = authority.file();
    tls.key = authority.Issue("web");
    error = "clustered_session.tls_key: cannot use \"" + tls.key + "\": key values mismatch";
  }
  SECTION("a key alone") {
    tls.key = authority.Issue("web");
    error = "clustered_session.tls_key needs clustered_session.tls_certificate";
  }
  TestNode client(TlsAddress(server.tls_port()), tls);
  const NodeReply reply = client.Read("k");
  CheckTlsError(reply, error);
  CHECK(reply.failure == NodeFailure::kPermission);
}

TEST_CASE("several nodes over TLS are waited for at once, and what OpenSSL holds back is not waited for") {
  TlsAuthority authority;
  const std::string value(300 << 10, 'v');
  MemcachedProcess first(TlsMemcached(authority.Issue("first")));
  MemcachedProcess second;
  // Records of which many fit into one read of the socket.
  TlsServer::Options small{authority.Issue("second"), second.port()};
  small.record_max = 512;
  TlsServer server(small);
  REQUIRE(first.Set("k", value));
  REQUIRE(second.Set("k", value));
  TestNode a(TlsAddress(first.tls_port()), Trusting(authority));
  TestNode b(TlsAddress(server.port()), Trusting(authority));
  TestNode c(TcpAddress(second.port()));
  const TimePoint start = Now();
  for (int i = 0; i < 3; ++i) {
    std::vector<Pollable*> flight;
    for (TestNode* each : {&a, &b, &c}) {
      each->node->StartRead("k", Now() + seconds(10));
      flight.push_back(each->node->pollable());
    }
    DriveFlight(flight);
    for (TestNode* each : {&a, &b, &c}) CHECK(each->node->FinishRead().value == value);
  }
  CHECK(Now() - start < seconds(4));
}

TEST_CASE("a forked child has TLS of its own, and its parent's goes on") {
  TlsAuthority authority;
  MemcachedProcess server(TlsMemcached(authority.Issue("node")));
  TestNode client(TlsAddress(server.tls_port()), Trusting(authority));
  CHECK_STORED(client.Write("k", "v"));
  ChildProcess child([&] {
    if (client.Read("k").value != "v") return 1;
    TestNode other(TlsAddress(server.tls_port()), Trusting(authority));
    if (other.Read("k").value != "v") return 2;
    return client.counters.node_connects.Get() == 2 ? 0 : 3;
  });
  const ChildProcess::End end = child.Wait();
  CHECK(end.ended);
  CHECK(end.code == 0);
  CHECK(client.Read("k").value == "v");
  CHECK(client.counters.node_connects.Get() == 1);
}

TEST_CASE("errors that others have left with OpenSSL are nobody's failure here") {
  TlsAuthority authority;
  MemcachedProcess server(TlsMemcached(authority.Issue("node")));
  TestNode client(TlsAddress(server.tls_port()), Trusting(authority));
  for (int i = 0; i < 3; ++i) {
    ERR_put_error(ERR_LIB_SSL, 0, SSL_R_WRONG_VERSION_NUMBER, __FILE__, __LINE__);
    const NodeReply reply = client.Read("k");
    INFO(reply.error);
    REQUIRE(reply.status == NodeStatus::kMiss);
    if (i == 1) server.Restart();
  }
}

}  // namespace
}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TLS
