// The list of nodes changes between two starts of PHP, or is not the same on all servers for a while. Layer: tests.
#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "src/cluster/node_code.h"
#include "tests/session/web_server.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

constexpr int kSessions = 40;

std::string RandomPart() {
  static std::mt19937_64 random(4);
  return RandomPartOf(&random);
}

struct NodeChanges {
  FakeClock clock;
  FakeMemcached m1{"m1", &clock};
  FakeMemcached m2{"m2", &clock};
  FakeMemcached m3{"m3", &clock};
  std::vector<Browser> browsers;

  WebServer Server(const std::vector<FakeMemcached*>& nodes, uint32_t copies = 2) {
    WebServer server("a", nodes, &clock);
    server.context().settings.copies = copies;
    return server;
  }

  static std::string PayloadOf(size_t session, int step) {
    return "s|i:" + std::to_string(session) + ";n|i:" + std::to_string(step) + ";";
  }

  void Login(WebServer* server) {
    for (int i = 0; i < kSessions; ++i) {
      Browser& browser = browsers.emplace_back();
      Request request(server, &browser);
      const NodeSet& nodes = *server->context().nodes;
      browser.session_id = request.session().CreateId(RandomPart(), static_cast<uint64_t>(i) % nodes.size());
      REQUIRE(request.Start().ok());
      REQUIRE(request.Finish(PayloadOf(browsers.size() - 1, 1)).ok());
    }
  }

  // Asks `server` for every session, which has to find what step - 1 left, and leaves `step`. Returns how many were
  // lost.
  int Next(WebServer* server, int step) {
    int lost = 0;
    for (size_t i = 0; i < browsers.size(); ++i) {
      const std::string id = browsers[i].session_id;
      Request request(server, &browsers[i]);
      Result<std::string> read = request.Start();
      REQUIRE(read.ok());
      lost += *read == PayloadOf(i, step - 1) ? 0 : 1;
      REQUIRE(request.Finish(PayloadOf(i, step)).ok());
      CHECK(browsers[i].session_id == id);
    }
    return lost;
  }

  size_t Items() { return m1.items().size() + m2.items().size() + m3.items().size(); }
  static size_t NamedAfter(const std::vector<Browser>& browsers, const FakeMemcached& node) {
    return static_cast<size_t>(std::count_if(browsers.begin(), browsers.end(), [&](const Browser& browser) {
      return browser.session_id.ends_with(NodeCode(node.name()));
    }));
  }
};

TEST_CASE_METHOD(NodeChanges, "A node that is added moves no session and loses none, with one copy as with two",
                 "[session]") {
  const uint32_t copies = GENERATE(1u, 2u);
  WebServer before = Server({&m1, &m2}, copies);
  Login(&before);
  const size_t on_m1 = NamedAfter(browsers, m1);
  REQUIRE(on_m1 > 0);
  REQUIRE(on_m1 < browsers.size());
  const auto items_of_m1 = m1.items();

  WebServer after = Server({&m3, &m2, &m1}, copies);  // in another order as well
  CHECK(Next(&after, 2) == 0);
  if (copies == 1) {
    // Each is where its ID says, and nowhere else.
    CHECK(m1.items().size() == on_m1);
    CHECK(m3.items().empty());
    for (const auto& [key, item] : items_of_m1) CHECK(m1.items().count(key) == 1);
  } else {
    CHECK(Items() >= 2 * browsers.size());
  }
  // New ones know the new node.
  const size_t old_ones = browsers.size();
  Login(&after);
  CHECK(NamedAfter({browsers.begin() + static_cast<long>(old_ones), browsers.end()}, m3) > 0);
}

TEST_CASE_METHOD(NodeChanges, "A node that is removed loses no session that has a second copy, and all get one again",
                 "[session]") {
  WebServer before = Server({&m1, &m2, &m3});
  Login(&before);
  REQUIRE(NamedAfter(browsers, m3) > 0);
  m3.set_down(true);
  WebServer after = Server({&m1, &m2});
  CHECK(Next(&after, 2) == 0);
  CHECK(m1.items().size() == browsers.size());
  CHECK(m2.items().size() == browsers.size());
}

TEST_CASE_METHOD(NodeChanges, "With one copy, a node that is removed takes its own sessions with it and no others",
                 "[session]") {
  WebServer before = Server({&m1, &m2, &m3}, 1);
  Login(&before);
  const size_t on_m3 = NamedAfter(browsers, m3);
  REQUIRE(on_m3 > 0);
  m3.set_down(true);
  WebServer after = Server({&m1, &m2}, 1);
  CHECK(Next(&after, 2) == static_cast<int>(on_m3));
  CHECK(Next(&after, 3) == 0);
}

TEST_CASE_METHOD(NodeChanges, "A node that is replaced under its name keeps its sessions and is filled again",
                 "[session]") {
  WebServer before = Server({&m1, &m2, &m3});
  Login(&before);
  const size_t held_by_m2 = m2.items().size();
  REQUIRE(held_by_m2 > 0);
  FakeMemcached new_m2{"m2", &clock};
  WebServer after = Server({&m1, &new_m2, &m3});
  CHECK(Next(&after, 2) == 0);
  CHECK(new_m2.items().size() == held_by_m2);
  // Now any other node can go.
  m1.set_down(true);
  WebServer later = Server({&m1, &new_m2, &m3});
  CHECK(Next(&later, 3) == 0);
}

TEST_CASE_METHOD(NodeChanges, "Servers whose lists differ for a while lose nothing of each other", "[session]") {
  WebServer a = Server({&m1, &m2});
  WebServer b = Server({&m1, &m2, &m3});
  Login(&a);
  Login(&b);  // some of them named after the node that the other does not know
  REQUIRE(NamedAfter(browsers, m3) > 0);
  CHECK(Next(&b, 2) == 0);
  CHECK(Next(&a, 3) == 0);
  CHECK(Next(&b, 4) == 0);
  WebServer after = Server({&m1, &m2, &m3});
  CHECK(Next(&after, 5) == 0);
}

TEST_CASE_METHOD(NodeChanges, "Sessions whose ID names no node that is known work like any other", "[session]") {
  WebServer a = Server({&m1, &m2, &m3});
  WebServer b = Server({&m3, &m1, &m2});
  const std::vector<std::string> ids = {"made-by-hand",          "0123456789abcdef0123456789abcdef",
                                        "0123456789abcdef-gone", "0123456789abcdef-M1",
                                        "0123456789abcdef-",     "-m1",
                                        "0123456789abcdef-m1-m9"};
  for (const std::string& id : ids) {
    Browser browser;
    browser.session_id = id;
    Request first(&a, &browser);
    REQUIRE(first.Start().ok());
    REQUIRE(first.Finish(PayloadOf(browsers.size(), 1)).ok());
    browsers.push_back(browser);
  }
  CHECK(Items() == 2 * ids.size());
  CHECK(Next(&b, 2) == 0);
  CHECK(Next(&a, 3) == 0);
  CHECK(Items() == 2 * ids.size());  // both place them alike
  m1.set_down(true);
  a.Restart();
  CHECK(Next(&a, 4) == 0);
}

// The same over the worker's own nodes: names and addresses from save_path, real memcached.
TEST_CASE("A name in save_path that gets another address keeps its sessions", "[session]") {
  const SystemClock clock;
  MemcachedProcess m1, m2, new_m2;
  const auto path = [](const MemcachedProcess& one, const MemcachedProcess& two) {
    return "m1=127.0.0.1:" + std::to_string(one.port()) + ",m2=127.0.0.1:" + std::to_string(two.port());
  };
  struct Server {
    static std::unique_ptr<LocalStore> MakeStore() {
      Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(1 << 20, sizeof(SharedState));
      return std::move(made.value());
    }
    explicit Server(const Clock* clock) : store(MakeStore()), worker(store.get(), clock) {
      if (!static_cast<SharedState*>(store->Extra())->Init()) std::abort();
      settings.connect_timeout = settings.operation_timeout = std::chrono::seconds(5);
    }
    // What the session has before it gets `payload`.
    std::string Serve(const std::string& save_path, std::string* id, const std::string& payload) {
      const auto context = worker.ContextFor(save_path, settings, 1);
      if (!context.ok()) return context.error().message();
      Session session(**context);
      if (id->empty()) *id = session.CreateId("0123456789abcdef0123456789abcdef", 7);
      Result<std::string_view> read = session.Read(*id, 1440);
      const std::string found(read.ok() ? std::string(*read) : read.error().message());
      const Status written = session.Write(*id, payload, 1440);
      session.Close();
      return written.ok() ? found : written.error().message();
    }
    std::unique_ptr<LocalStore> store;
    Worker worker;
    SessionSettings settings;
  };

  Server before(&clock);
  std::string id;
  CHECK(before.Serve(path(m1, m2), &id, "n|i:1;") == "");
  CHECK(before.Serve(path(m1, m2), &id, "n|i:2;") == "n|i:1;");
  Server after(&clock);
  m2.Kill();
  CHECK(after.Serve(path(m1, new_m2), &id, "n|i:3;") == "n|i:2;");
  CHECK(new_m2.Stat("curr_items") == 2);  // the session and the node's sentinel
  m1.Kill();
  Server last(&clock);
  MemcachedProcess new_m1;
  CHECK(last.Serve(path(new_m1, new_m2), &id, "n|i:4;") == "n|i:3;");
  CHECK(new_m1.Stat("curr_items") == 2);
}

}  // namespace
}  // namespace clustered_session
