// Signed session IDs: only servers with the key file make them, and others are unknown before anything is asked.
// Layer: tests.
#include "src/session/signed_id.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

struct SignedIdFixture : ClusterFixture {
  SignedIdFixture() {
    const auto ring = *Keyring::Parse(line);
    keys = std::make_shared<PoolKeys>(*ring, "cs:");
    for (WebServer* server : {&a, &b}) {
      server->context().codec = {keys, EncryptionMode::kRequire};
      server->context().settings.signed_ids = SignedIds::kRequire;
    }
  }
  uint64_t Messages() const {
    uint64_t all = 0;
    for (const FakeMemcached* node : nodes) all += node->reads + node->writes;
    return all;
  }

  std::string line = NewKeyLine("k1");
  std::shared_ptr<const PoolKeys> keys;
};

std::string DigitsOf(std::mt19937_64* random, size_t size) {
  std::string digits;
  while (digits.size() < size) digits += RandomPartOf(random);
  return digits.substr(0, size);
}

}  // namespace

TEST_CASE_METHOD(SignedIdFixture, "A signed ID is as long as PHP made it, in its alphabet, and as random as it can be",
                 "[session][keys]") {
  const std::vector<NodeAddress>& list = a.context().nodes->addresses();
  struct Row {
    size_t length;
    uint32_t bits;
    bool made;
    bool names_node;
  };
  for (const Row& row :
       {Row{22, 4, false, false}, Row{31, 4, false, false}, Row{32, 4, true, false}, Row{35, 4, true, false},
        Row{36, 4, true, true}, Row{48, 4, true, true}, Row{28, 5, false, false}, Row{29, 5, true, false},
        Row{33, 5, true, true}, Row{26, 6, false, false}, Row{27, 6, true, false}, Row{31, 6, true, true},
        Row{256, 6, true, true}}) {
    CAPTURE(row.length, row.bits);
    std::mt19937_64 random(row.length);
    for (uint32_t node = 0; node < list.size(); ++node) {
      const std::string part = DigitsOf(&random, row.length);
      const std::string id = SignId(*keys, TagKind::kKeyed, part, row.bits, list, node);
      REQUIRE(id.empty() == !row.made);
      if (!row.made) continue;
      CHECK(id.size() == row.length);
      CHECK(IsSigned(*keys, id));
      CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
      if (row.names_node) CHECK(NodeNamedBy(list, id) == list[node].name);
      // What is random stays, but for a digit once in a while.
      CHECK(id.substr(0, row.length - 21 + (row.names_node ? 0 : 4)) ==
            part.substr(0, row.length - 21 + (row.names_node ? 0 : 4)));
    }
    CHECK(SignId(*keys, TagKind::kKeyed, DigitsOf(&random, row.length), row.bits, {}, std::nullopt).empty() ==
          !row.made);
  }
}

TEST_CASE_METHOD(SignedIdFixture, "An ID with any character changed, cut or added is not signed", "[session][keys]") {
  std::mt19937_64 random(1);
  for (const size_t length : {32, 48}) {
    const std::string id =
        SignId(*keys, TagKind::kKeyed, DigitsOf(&random, length), 4, a.context().nodes->addresses(), 0);
    for (size_t i = 0; i < id.size(); ++i) {
      std::string bad = id;
      bad[i] = bad[i] == '0' ? '1' : '0';
      CHECK_FALSE(IsSigned(*keys, bad));
      CHECK_FALSE(IsSigned(*keys, id.substr(0, i)));
      CHECK_FALSE(IsSigned(*keys, id.substr(i + 1)));
    }
    CHECK_FALSE(IsSigned(*keys, "0" + id));
    CHECK_FALSE(IsSigned(*keys, id + "0"));
    CHECK_FALSE(IsSigned(PoolKeys(**Keyring::Parse(line), "shop:"), id));
    CHECK(IsSigned(PoolKeys(**Keyring::Parse(NewKeyLine("k2") + "\n" + line), "cs:"), id));
    CHECK_FALSE(IsSigned(PoolKeys(**Keyring::Parse(NewKeyLine("k2")), "cs:"), id));
  }
}

TEST_CASE_METHOD(SignedIdFixture, "Forged IDs ask no node, take no lock and no memory, in strict mode or not",
                 "[session][keys]") {
  constexpr int kForged = 10000;
  std::mt19937_64 random(7);
  const uint64_t messages = Messages();
  const auto entries = a.store().GetUsage().entries;
  for (int i = 0; i < kForged; ++i) {
    const std::string id = DigitsOf(&random, 32);
    Session session(a.context());
    const Result<bool> valid = session.Validate(id, Request::kLifetime);
    REQUIRE((valid.ok() && !*valid));
    if (i >= 100) continue;
    // PHP asks none of these, a user handler may.
    CHECK_FALSE(session.Read(id, Request::kLifetime).ok());
    CHECK_FALSE(session.Write(id, "n|i:1;", Request::kLifetime).ok());
    CHECK(session.Destroy(id, Request::kLifetime).ok());
    CHECK(a.store().locks().GetUsage().held == 0);
  }
  CHECK(Messages() == messages);
  CHECK(a.store().GetUsage().entries == entries);
  CHECK(a.counters().forged_ids.Get() >= kForged);
  CHECK(a.counters().node_waits.Get() == 0);
}

TEST_CASE_METHOD(SignedIdFixture, "A session with a signed ID lives on two servers as any other", "[session][keys]") {
  Serve(&a, "", "n|i:1;");
  CHECK(IsSigned(*keys, browser.session_id));
  Serve(&b, "n|i:1;", "n|i:2;");
  Browser stranger;
  stranger.session_id = "00112233445566778899aabbccddeeff";
  Request request(&a, &stranger, /*strict=*/true);
  REQUIRE(request.Start().ok());
  CHECK(stranger.session_id != "00112233445566778899aabbccddeeff");
  CHECK(IsSigned(*keys, stranger.session_id));
}

TEST_CASE_METHOD(SignedIdFixture, "While servers are changed over, unsigned IDs are good", "[session][keys]") {
  a.context().codec = b.context().codec = RecordCodec();
  Serve(&a, "", "n|i:1;");
  CHECK_FALSE(IsSigned(*keys, browser.session_id));
  a.context().codec = {keys, EncryptionMode::kWrite};
  a.context().settings.signed_ids = SignedIds::kMake;
  Serve(&a, "n|i:1;", "n|i:1;");
  Browser other;
  Request request(&a, &other);
  REQUIRE(request.Start().ok());
  CHECK(IsSigned(*keys, other.session_id));
  request.End();
  a.context().settings.signed_ids = SignedIds::kOff;
  Browser third;
  Request unsigned_again(&a, &third);
  REQUIRE(unsigned_again.Start().ok());
  CHECK_FALSE(IsSigned(*keys, third.session_id));
}

TEST_CASE_METHOD(SignedIdFixture, "An ID that is too short for a signature is not made where it needs one",
                 "[session][keys]") {
  Session session(a.context());
  CHECK(session.CreateId("0123456789abcdef", 1).empty());
  a.context().settings.signed_ids = SignedIds::kMake;
  CHECK(session.CreateId("0123456789abcdef", 1).size() == 16);
}
