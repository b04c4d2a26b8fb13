// Session keys that only who has the key file can compute: what nodes are told by them, keys that rotate and go, and
// servers that are changed over one after the other. Layer: tests.
#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "src/session/inspection.h"
#include "src/session/news.h"
#include "src/session/repair_batch.h"
#include "src/session/shared_state.h"
#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

struct KeyedSessionKeysFixture : ClusterFixture {
  KeyedSessionKeysFixture() {
    for (WebServer* server : {&a, &b}) Give(server, first);
  }
  static void Give(WebServer* server, const std::string& lines, EncryptionMode mode = EncryptionMode::kWrite) {
    server->context().codec = {};
    if (!lines.empty()) {
      server->context().codec = {std::make_shared<PoolKeys>(**Keyring::Parse(lines), "cs:"), mode};
    }
  }
  // A new session of this server, whose ID has room for the code of its node.
  Browser Login(WebServer* server, std::string_view payload = "n|i:1;") {
    browser = Browser();
    browser.session_id = Session(server->context()).CreateId(RandomPartOf(&random) + "0123456789abcdef", random());
    Serve(server, "", payload);
    return browser;
  }
  void Serve(WebServer* server, const Browser& who, std::string_view expected, std::string_view payload) {
    browser = who;
    ClusterFixture::Serve(server, expected, payload);
  }
  using ClusterFixture::Serve;
  static std::string PlainKey(const std::string& id) { return StorageKey("cs:", Hash128({}, "cs:", id)); }
  static SessionKey KeyFor(const WebServer& server, const std::string& id) {
    return SessionKeyOf(server.context().codec.keys.get(), "cs:", id);
  }
  static std::string StorageKeyFor(const WebServer& server, const std::string& id) {
    return StorageKey("cs:", KeyFor(server, id));
  }
  // How many nodes have an item under this key.
  int On(const std::string& key) const {
    return static_cast<int>(
        std::count_if(nodes.begin(), nodes.end(), [&](FakeMemcached* node) { return node->Find(key) != nullptr; }));
  }
  std::set<std::string> AllKeys() const {
    std::set<std::string> keys;
    for (FakeMemcached* node : nodes) {
      for (const auto& [key, item] : node->items()) keys.insert(key);
    }
    return keys;
  }
  // Of what a server without a copy shows.
  std::string SeenBy(WebServer* server, const Browser& who) {
    server->store().Erase(server->context().InSpace(KeyFor(*server, who.session_id)));
    Browser same = who;
    Request request(server, &same);
    const Result<std::string> read = request.Start();
    return read.ok() ? *read : "failed: " + read.error().message();
  }

  std::string first = NewKeyLine("k1");
  std::string second = NewKeyLine("k2");
  std::mt19937_64 random{14};
};

}  // namespace

TEST_CASE_METHOD(KeyedSessionKeysFixture, "Nobody comes from an ID to its items without the key file",
                 "[session][keys]") {
  const LockMode lock = GENERATE(LockMode::kLocal, LockMode::kCluster);
  for (WebServer* server : {&a, &b}) server->context().settings.lock = lock;
  const Browser user = Login(&a);
  const Browser other = Login(&b);
  const std::string key = StorageKeyFor(a, user.session_id);
  CHECK(key == StorageKeyFor(b, user.session_id));
  CHECK(On(key) == 2);
  CHECK(On(StorageKeyFor(a, other.session_id)) == 2);
  {
    browser = user;
    Request request(&b, &browser);  // holds the lock, if it is one of the cluster
    REQUIRE(request.Start().ok());
    CHECK(On(key + ":lock") == (lock == LockMode::kCluster ? 1 : 0));
    REQUIRE(request.Destroy().ok());
  }
  CHECK(On(key) == 3);  // its end
  CHECK(SeenBy(&a, user).empty());
  const std::string strangers =
      StorageKey("cs:", PoolKeys(**Keyring::Parse(second), "cs:").KeyedSessionKey(0, user.session_id));
  const std::string of_other_pool =
      StorageKey("cs:", PoolKeys(**Keyring::Parse(first), "shop:").KeyedSessionKey(0, user.session_id));
  for (const std::string& each : AllKeys()) {
    for (const std::string& known : {PlainKey(user.session_id), strangers, of_other_pool}) {
      CHECK(each.find(known) == std::string::npos);
    }
  }
}

TEST_CASE_METHOD(KeyedSessionKeysFixture, "A session goes to the node that its ID names, as without a key file",
                 "[session][keys]") {
  for (int i = 0; i < 20; ++i) {
    const Browser user = Login(i % 2 == 0 ? &a : &b);
    REQUIRE(NodeInId() != nullptr);
    CHECK(NodeInId()->Find(StorageKeyFor(a, user.session_id)) != nullptr);
    const std::vector<NodeHolding> held = InspectSession(b.context(), user.session_id);
    REQUIRE(held.size() == 3);
    CHECK(nodes[held[0].node] == NodeInId());
    CHECK(held[0].what == NodeHolding::What::kSession);
    CHECK(held[1].what == NodeHolding::What::kSession);
  }
}

TEST_CASE_METHOD(KeyedSessionKeysFixture,
                 "Over a rotation a session keeps its one key, and its next ID has another one", "[session][keys]") {
  const Browser user = Login(&a);
  const std::string key = StorageKeyFor(a, user.session_id);
  const std::string adding = first + "\n" + second;
  const std::string leading = second + "\n" + first;
  std::string payload = "n|i:1;";
  int n = 1;
  for (const auto& [of_a, of_b] : {std::pair(adding, first), {adding, adding}, {leading, adding}, {leading, leading}}) {
    Give(&a, of_a);
    Give(&b, of_b);
    for (WebServer* server : {&a, &b}) {
      const std::string next = "n|i:" + std::to_string(++n) + ";";
      CHECK(SeenBy(server, user) == payload);
      Serve(server, user, payload, next);
      payload = next;
      CHECK(StorageKeyFor(*server, user.session_id) == key);
    }
    // New ones are the same to both, too.
    const Browser other = Login(&a);
    CHECK(SeenBy(&b, other) == "n|i:1;");
  }
  CHECK(On(key) == 2);
  CHECK(On(PlainKey(user.session_id)) == 0);
  const uint64_t reads = m1.reads + m2.reads + m3.reads;
  CHECK(SeenBy(&b, user) == payload);
  CHECK(m1.reads + m2.reads + m3.reads <= reads + 4);  // of the one key alone: three nodes, and the value of one
  // A login gives the ID of the new key, which alone finds it once the old one is removed.
  const std::string old_id = user.session_id;
  browser = user;
  Request request(&a, &browser);
  REQUIRE(request.Start().ok());
  REQUIRE(request.Regenerate(/*destroy=*/true, payload, [] {}).ok());
  REQUIRE(request.Finish(payload).ok());
  request.End();
  const Browser renewed = browser;
  for (WebServer* server : {&a, &b}) Give(server, second);
  CHECK(SeenBy(&a, renewed) == payload);
  CHECK(SeenBy(&b, renewed) == payload);
  CHECK(SeenBy(&b, user).empty());
  CHECK(StorageKeyFor(a, old_id) == PlainKey(old_id));  // as any ID that nobody has signed
}

TEST_CASE_METHOD(KeyedSessionKeysFixture, "Servers are changed over, and no step loses a session of another one",
                 "[session][keys]") {
  std::vector<Browser> users;
  std::vector<std::string> payloads;
  const auto all_live = [&] {
    // Each server in turn changes each session, whoever has made it, under whichever settings.
    for (WebServer* server : {&a, &b}) {
      for (size_t i = 0; i < users.size(); ++i) {
        REQUIRE(SeenBy(server, users[i]) == payloads[i]);
        const std::string next = payloads[i] + "x|i:1;";
        Serve(server, users[i], payloads[i], next);
        payloads[i] = next;
      }
      PassGrace();
    }
    for (WebServer* server : {&a, &b}) {
      users.push_back(Login(server));
      payloads.push_back("n|i:1;");
    }
  };
  struct Stage {
    std::string lines;
    EncryptionMode mode;
  };
  const Stage stages[] = {{"", EncryptionMode::kRead},
                          {first, EncryptionMode::kRead},
                          {first, EncryptionMode::kWrite},
                          {first, EncryptionMode::kRequire}};
  const bool back = GENERATE(false, true);  // and the other way round
  const SignedIds ids = GENERATE(SignedIds::kMake, SignedIds::kOff);
  for (WebServer* server : {&a, &b}) server->context().settings.signed_ids = ids;
  for (int i = 0; i + 1 < 4; ++i) {
    const Stage& now = stages[back ? 3 - i : i];
    const Stage& next = stages[back ? 2 - i : i + 1];
    // What was written plain has ended, or was written anew, before plain is no longer believed; and the other way.
    for (WebServer* server : {&a, &b}) Give(server, now.lines, now.mode);
    // No server gives up its key file while there are sessions that need it.
    if (back && next.lines.empty()) break;
    all_live();
    all_live();  // those that either server has just made
    Give(&a, next.lines, next.mode);
    all_live();
    all_live();
  }
  CHECK(a.counters().forged_records.Get() + b.counters().forged_records.Get() == 0);
  CHECK(a.counters().conflicts.Get() + b.counters().conflicts.Get() == 0);
}

TEST_CASE_METHOD(KeyedSessionKeysFixture, "Only servers that encrypt make IDs whose session keys need the key file",
                 "[session][keys]") {
  Give(&a, first, EncryptionMode::kRead);
  const Browser open = Login(&a);
  CHECK(IsSigned(*a.context().codec.keys, open.session_id));
  CHECK(On(PlainKey(open.session_id)) == 2);
  // And they are found by whoever has the key, also where no ID is signed and none is asked for a tag.
  const Browser user = Login(&b);
  CHECK(On(PlainKey(user.session_id)) == 0);
  a.context().settings.signed_ids = SignedIds::kOff;
  CHECK(SeenBy(&a, user) == "n|i:1;");
  const Browser unsigned_id = Login(&a);
  CHECK(On(PlainKey(unsigned_id.session_id)) == 2);
  CHECK(SeenBy(&b, unsigned_id) == "n|i:1;");
}

TEST_CASE_METHOD(KeyedSessionKeysFixture, "News and repair find a session by its key alone", "[session][keys]") {
  for (WebServer* server : {&a, &b}) server->context().settings.repair_rate = 1000;
  const Browser user = Login(&a);
  const std::string key = StorageKeyFor(a, user.session_id);
  SECTION("a logout on another server is told") {
    NewsReader reader(
        &a.store(), &clock, [this](uint8_t) { return Borrow(a.context()); }, [] { return std::vector<uint8_t>{1}; },
        std::chrono::milliseconds(500));
    const auto run = [&] {
      for (int i = 0; i < 60; ++i) {
        clock.Advance(std::chrono::milliseconds(10));
        reader.Step();
      }
    };
    run();
    Serve(&a, user, "n|i:1;", "n|i:1;");
    run();
    browser = user;
    Request request(&b, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
    request.End();
    for (FakeMemcached* node : nodes) {
      const FakeMemcached::Item* log = node->Find("cs:news");
      REQUIRE(log != nullptr);
      const SessionKey plain = Hash128({}, "cs:", user.session_id);
      const auto* bytes = reinterpret_cast<const char*>(plain.bytes.data());
      CHECK(log->value.find(std::string(bytes, 8)) == std::string::npos);
    }
    run();
    browser = user;
    Serve(&a, "", "");
  }
  SECTION("a node that has lost it gets it back, under the same key") {
    FakeMemcached* lost = NodeInId();
    REQUIRE(lost != nullptr);
    lost->RestartEmpty();
    std::vector<NodeView> views(nodes.size());
    for (size_t node = 0; node < nodes.size(); ++node) {
      const NodeReply reply = nodes[node]->Read("nothing", nullptr);
      views[node] = {true, reply.token.incarnation, nodes[node] == lost ? ToNanos(clock.Now()) : 0, 0};
    }
    std::vector<Notice> notices;
    RepairBatch batch(Borrow(a.context()), &views, &notices);
    const SessionKey local = a.context().InSpace(KeyFor(a, user.session_id));
    Entry entry;
    REQUIRE(a.store().Peek(local, clock.Now(), &entry, nullptr));
    batch.Add({local, entry});
    CHECK(batch.Run().copies == 1);
    CHECK(lost->Find(key) != nullptr);
    CHECK(On(key) == 2);
    CHECK(SeenBy(&b, user) == "n|i:1;");
  }
}
