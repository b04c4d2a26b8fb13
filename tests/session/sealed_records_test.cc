// Whole requests over encrypted records: what nodes hold, forge, cut and bring back, rotations of keys, and servers
// that are changed over one after the other. Layer: tests.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "src/session/repair_batch.h"
#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

struct SealedRecordsFixture : ClusterFixture {
  SealedRecordsFixture() {
    Give(&a, first);
    Give(&b, first);
    for (WebServer* server : {&a, &b}) server->context().settings.signed_ids = SignedIds::kOff;
  }
  static void Give(WebServer* server, const std::string& lines, EncryptionMode mode = EncryptionMode::kRequire) {
    server->context().codec = {};
    if (!lines.empty()) {
      server->context().codec = {std::make_shared<PoolKeys>(**Keyring::Parse(lines), "cs:"), mode};
    }
  }
  std::string Key() const { return StorageKey("cs:", Hash128({}, "cs:", browser.session_id)); }
  // The node's item of the session; null: it has none.
  FakeMemcached::Item* ItemOf(FakeMemcached* node) const { return node->Find(Key()); }
  std::vector<std::string> Items() const {
    std::vector<std::string> items;
    for (FakeMemcached* node : nodes) {
      if (const FakeMemcached::Item* item = ItemOf(node)) items.push_back(item->value);
    }
    return items;
  }
  void PutOnAll(const std::string& value) {
    for (FakeMemcached* node : nodes) {
      FakeMemcached::Item* item = ItemOf(node);
      if (item == nullptr) continue;
      item->value = value;
      node->NewToken(item);
    }
  }
  // What a server without a copy shows; the notices it makes.
  std::string SeenBy(WebServer* server, std::vector<Notice>* notices = nullptr) {
    server->store().Erase(server->context().InSpace(Hash128({}, "cs:", browser.session_id)));
    Browser same = browser;
    Request request(server, &same);
    const Result<std::string> read = request.Start();
    if (notices != nullptr) *notices = request.notices();
    return read.ok() ? *read : "failed: " + read.error().message();
  }

  std::string first = NewKeyLine("k1");
  std::string second = NewKeyLine("k2");
};

bool IsEncrypted(const std::string& value) {
  return value.size() > 5 && value[4] == 3 && (value[5] & kRecordEncrypted) != 0;
}

}  // namespace

TEST_CASE_METHOD(SealedRecordsFixture, "Nodes hold no byte of a session, nor of its end", "[session][keys]") {
  Serve(&a, "", "user|s:6:\"orchid\";");
  Serve(&b, "user|s:6:\"orchid\";", "user|s:6:\"orchid\";n|i:1;");
  PassGrace();
  Serve(&a, "user|s:6:\"orchid\";n|i:1;", "user|s:6:\"orchid\";n|i:2;");
  REQUIRE(Items().size() == 2);
  for (const std::string& item : Items()) {
    CHECK(IsEncrypted(item));
    CHECK(item.find("orchid") == std::string::npos);
  }
  CHECK(Items()[0] == Items()[1]);  // one flight, one nonce
  Request request(&a, &browser);
  REQUIRE(request.Start().ok());
  REQUIRE(request.Destroy().ok());
  REQUIRE(Items().size() == 3);
  for (const std::string& item : Items()) CHECK(IsEncrypted(item));
  CHECK(SeenBy(&b).empty());
  CHECK(b.counters().forged_records.Get() == 0);
}

TEST_CASE_METHOD(SealedRecordsFixture, "A request waits for nodes as often as without encryption", "[session][keys]") {
  CHECK(Serve(&a, "", "n|i:1;") == 1);
  CHECK(Serve(&a, "n|i:1;", "n|i:2;") == 1);
  CHECK(View(&a, "n|i:2;") == 0);
  CHECK(Serve(&b, "n|i:2;", "n|i:3;") == 2);
}

TEST_CASE_METHOD(SealedRecordsFixture, "A write whose answer was lost is no conflict", "[session][keys]") {
  Serve(&a, "", "n|i:1;");
  Placed(browser.session_id)[0]->LoseAnswer();
  Serve(&a, "n|i:1;", "n|i:2;");
  clock.Advance(std::chrono::seconds(11));
  View(&a, "n|i:2;");
  CHECK(a.counters().conflicts.Get() == 0);
  CHECK(SeenBy(&b) == "n|i:2;");
}

TEST_CASE_METHOD(SealedRecordsFixture, "A forged record is counted, told once of its node, and is a miss",
                 "[session][keys]") {
  Serve(&a, "", "n|i:1;");
  const std::string good = Items()[0];
  std::vector<std::string> forged;
  for (size_t at = 0; at < good.size(); at += 7) {
    forged.push_back(good);
    forged.back()[at] = static_cast<char>(forged.back()[at] ^ 0x10);
  }
  for (size_t size = 0; size < good.size(); size += 7) forged.push_back(good.substr(0, size));
  Record plain;
  plain.instance = 1;
  plain.epoch = 99;
  plain.ancestry.dot = {1, 1};
  plain.ancestry.context.Add(plain.ancestry.dot, 1);
  plain.ancestry.lives.Add(1);
  plain.payload = "admin|b:1;";
  forged.push_back(EncodeRecord(&plain, Key()));
  RecordCodec stranger{std::make_shared<PoolKeys>(**Keyring::Parse(NewKeyLine("k1")), "cs:")};
  forged.push_back(stranger.Encode(&plain, Key()));
  size_t told = 0;
  uint64_t unavailable = 0;
  for (const std::string& bytes : forged) {
    PutOnAll(bytes);
    std::vector<Notice> notices;
    const std::string seen = SeenBy(&b, &notices);
    CHECK((seen.empty() || seen.find("in the format of a later") != std::string::npos));
    unavailable += seen.empty() ? 0 : 1;
    for (const Notice& notice : notices) {
      CHECK(notice.text.find(browser.session_id) == std::string::npos);
      told += notice.text.find("that no key of clustered_session.key_file has written") != std::string::npos ? 1 : 0;
    }
  }
  CHECK(told == 2);         // of each node the first
  CHECK(unavailable <= 1);  // at most where the format itself was changed to a later one
  CHECK(b.counters().forged_records.Get() >= 2 * (forged.size() - 1));
  // The server that has a copy goes on, and what was forged is replaced.
  PutOnAll(forged.back());
  clock.Advance(std::chrono::seconds(11));
  View(&a, "n|i:1;");
  CHECK(SeenBy(&b) == "n|i:1;");
}

TEST_CASE_METHOD(SealedRecordsFixture, "A forged record on one node hides nothing that another one holds",
                 "[session][keys]") {
  Serve(&a, "", "n|i:1;");
  FakeMemcached* liar = Placed(browser.session_id)[0];
  ItemOf(liar)->value[40] = static_cast<char>(ItemOf(liar)->value[40] ^ 1);
  liar->NewToken(ItemOf(liar));
  Serve(&b, "n|i:1;", "n|i:2;");
  CHECK(b.counters().forged_records.Get() > 0);
  CHECK(Items()[0] == Items()[1]);
}

TEST_CASE_METHOD(SealedRecordsFixture, "Another session's record is a miss under this one's key", "[session][keys]") {
  Serve(&a, "", "user|s:5:\"admin\";");
  const std::string admin = Items()[0];
  browser = {};
  Serve(&a, "", "user|s:3:\"eve\";");
  PutOnAll(admin);
  CHECK(SeenBy(&b).empty());
  CHECK(b.counters().forged_records.Get() == 2);
}

TEST_CASE_METHOD(SealedRecordsFixture, "Keys rotate on one server after the other, and no session is lost",
                 "[session][keys]") {
  Serve(&a, "", "n|i:1;");
  const auto both_see = [&](const std::string& payload) {
    CHECK(SeenBy(&a) == payload);
    CHECK(SeenBy(&b) == payload);
  };
  const std::string adding = first + "\n" + second;
  const std::string leading = second + "\n" + first;
  Give(&a, adding);
  both_see("n|i:1;");
  Give(&b, adding);
  both_see("n|i:1;");
  Give(&a, leading);
  Serve(&a, "n|i:1;", "n|i:2;");
  both_see("n|i:2;");
  Give(&b, leading);
  Serve(&b, "n|i:2;", "n|i:3;");
  both_see("n|i:3;");
  Give(&a, second);
  both_see("n|i:3;");
  Give(&b, second);
  both_see("n|i:3;");
  CHECK(a.counters().forged_records.Get() + b.counters().forged_records.Get() == 0);
}

TEST_CASE_METHOD(SealedRecordsFixture, "Servers with and without a key file, changed over in three steps",
                 "[session][keys]") {
  Give(&a, "");
  Give(&b, "");
  Serve(&a, "", "n|i:1;");
  Give(&a, first, EncryptionMode::kRead);
  Serve(&a, "n|i:1;", "n|i:2;");
  CHECK(SeenBy(&b) == "n|i:2;");
  Give(&b, first, EncryptionMode::kRead);
  Give(&a, first, EncryptionMode::kWrite);
  Serve(&a, "n|i:2;", "n|i:3;");
  CHECK(IsEncrypted(Items()[0]));
  Serve(&b, "n|i:3;", "n|i:4;");
  CHECK_FALSE(IsEncrypted(Items()[0]));
  PassGrace();
  Serve(&a, "n|i:4;", "n|i:5;");
  Give(&b, first, EncryptionMode::kRequire);
  CHECK(SeenBy(&b) == "n|i:5;");
  CHECK(a.counters().forged_records.Get() + b.counters().forged_records.Get() == 0);
}

TEST_CASE_METHOD(SealedRecordsFixture,
                 "A server that was left without a key file neither loses nor overwrites a session",
                 "[session][keys]") {
  Serve(&a, "", "n|i:1;");
  const std::vector<std::string> before = Items();
  Give(&b, "");
  CHECK(SeenBy(&b).find("encrypted: set clustered_session.key_file on this server, too") != std::string::npos);
  CHECK(Items() == before);
  Session session(b.context());
  (void)session.Destroy(browser.session_id, Request::kLifetime).ok();
  for (const std::string& item : before) {
    const std::vector<std::string> now = Items();
    CHECK(std::count(now.begin(), now.end(), item) == 2);
  }
}

TEST_CASE_METHOD(SealedRecordsFixture, "What an old record that a node brings back does, and what it does not",
                 "[session][keys]") {
  Serve(&a, "", "n|i:1;");
  const std::string old = Items()[0];
  Serve(&a, "n|i:1;", "n|i:2;");
  SECTION("on one node, the other one has what came after it") {
    FakeMemcached* liar = Placed(browser.session_id)[0];
    ItemOf(liar)->value = old;
    liar->NewToken(ItemOf(liar));
    CHECK(SeenBy(&b) == "n|i:2;");
  }
  SECTION("on all nodes, a server with a copy knows what came after it, and puts it back") {
    PutOnAll(old);
    clock.Advance(std::chrono::seconds(11));
    View(&a, "n|i:2;");
    CHECK(SeenBy(&b) == "n|i:2;");
  }
  SECTION("on all nodes, a server without a copy believes it: nobody told it of what came after") {
    PutOnAll(old);
    CHECK(SeenBy(&b) == "n|i:1;");
  }
  SECTION("of an ended session on all nodes") {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
    PutOnAll(old);
    SECTION("the server that ended it knows so, and tells the nodes again") {
      clock.Advance(std::chrono::seconds(11));
      View(&a, "");
      CHECK(SeenBy(&b).empty());
    }
    SECTION("another one does not") { CHECK(SeenBy(&b) == "n|i:1;"); }
  }
}

TEST_CASE_METHOD(SealedRecordsFixture, "What is brought back to a node is sealed anew, and is the same record",
                 "[session][keys]") {
  for (WebServer* server : {&a, &b}) server->context().settings.repair_rate = 1000;
  const bool ended = GENERATE(false, true);
  Serve(&a, "", "n|i:1;");
  if (ended) {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  FakeMemcached* lost = Placed(browser.session_id)[0];
  lost->RestartEmpty();
  std::vector<NodeView> views(nodes.size());
  for (size_t node = 0; node < nodes.size(); ++node) {
    const NodeReply reply = nodes[node]->Read("nothing", nullptr);
    views[node] = {true, reply.token.incarnation, nodes[node] == lost ? ToNanos(clock.Now()) : 0, 0};
  }
  std::vector<Notice> notices;
  RepairBatch batch(Borrow(a.context()), &views, &notices);
  const SessionKey key = a.context().InSpace(Hash128({}, "cs:", browser.session_id));
  Entry entry;
  REQUIRE(a.store().Peek(key, clock.Now(), &entry, nullptr));
  batch.Add({key, entry});
  const RepairBatch::Outcome outcome = batch.Run();
  CHECK(outcome.copies + outcome.tombstones == 1);
  REQUIRE(ItemOf(lost) != nullptr);
  CHECK(IsEncrypted(ItemOf(lost)->value));
  CHECK(SeenBy(&b) == (ended ? "" : "n|i:1;"));
  CHECK(b.counters().conflicts.Get() + b.counters().forged_records.Get() == 0);
}

TEST_CASE_METHOD(SealedRecordsFixture, "What waits to be written is left to workers that have the same key file",
                 "[session][keys]") {
  SharedPoolTable& pools = a.context().shared->pools;
  SessionSettings with = a.context().settings;
  with.key_file = "/etc/php/sessions.key";
  with.encryption = EncryptionMode::kWrite;
  with.compression_level = 7;
  with.compression_threshold = 100;
  with.cipher = CipherChoice::kXChaCha20;
  const uint8_t number = pools.NumberOf("m1=a:1", with, &a.store(), clock.Now()).number;
  REQUIRE(number != 0);
  std::string save_path;
  for (const char* file : {"", "/etc/php/other.key"}) {
    SessionSettings other;
    other.key_file = file;
    CHECK_FALSE(pools.Load(number, &save_path, &other));
  }
  SessionSettings same;
  same.key_file = with.key_file;
  REQUIRE(pools.Load(number, &save_path, &same));
  CHECK(same.encryption == EncryptionMode::kWrite);
  CHECK(same.compression_level == 7);
  CHECK(same.compression_threshold == 100);
  CHECK(same.cipher == CipherChoice::kXChaCha20);
  // And the other way round: a pool without a key file gets none from whoever writes for it.
  const SessionSettings without;
  const uint8_t plain = pools.NumberOf("m1=a:1", without, &a.store(), clock.Now()).number;
  REQUIRE(pools.Load(plain, &save_path, &same));
  CHECK(same.key_file.empty());
}

TEST_CASE_METHOD(SealedRecordsFixture, "What was left behind while no node answered is written encrypted",
                 "[session][keys]") {
  Serve(&a, "", "n|i:1;");
  for (FakeMemcached* node : nodes) node->set_down(true);
  clock.Advance(std::chrono::seconds(11));
  Serve(&a, "n|i:1;", "n|i:2;");
  for (FakeMemcached* node : nodes) node->set_down(false);
  clock.Advance(std::chrono::seconds(3));
  Serve(&a, "n|i:2;", "n|i:3;");
  for (const std::string& item : Items()) CHECK(IsEncrypted(item));
  CHECK(SeenBy(&b) == "n|i:3;");
}

TEST_CASE_METHOD(SealedRecordsFixture, "A validation brings no payload, also while keys change", "[session][keys]") {
  Serve(&a, "", "n|i:1;");
  for (FakeMemcached* node : nodes) {
    if (ItemOf(node) == nullptr) continue;
    std::string bytes = ItemOf(node)->value;
    const Result<Record> record = a.context().codec.Decode(&bytes, Key());
    REQUIRE(record.ok());
    CHECK(ItemOf(node)->mark != MarkOf(record->ancestry.fingerprint));
    CHECK(ItemOf(node)->mark == a.context().codec.MarkOf(record->ancestry.fingerprint));
  }
  Give(&a, second + "\n" + first);
  const uint64_t reads = m1.reads + m2.reads + m3.reads;
  clock.Advance(std::chrono::seconds(11));
  CHECK(View(&a, "n|i:1;") == 1);
  CHECK(m1.reads + m2.reads + m3.reads == reads + 3);
  CHECK(a.counters().validations.Get() == 1);
}
