// What a loaded session says of itself, by its entry alone; and its address by ID and by entry. Layer: tests.
#include "src/session/loaded_session.h"

#include <catch2/catch.hpp>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

const std::string kId = "0123456789abcdefghijklmnopqrstuv";

struct Fixture : ClusterFixture {
  LoadedSession loaded{a.context(), SessionAddress(a.context(), kId), 1440};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "Whether a session exists, and its epoch, follow from its entry", "[session]") {
  struct {
    uint64_t version;
    uint64_t epoch;
    uint32_t flags;
    bool exists;
    uint64_t served_under;
  } const rows[] = {
      {0, 0, 0, false, 1},                                          // nothing is known
      {7, 3, 0, true, 3},                                           // a record
      {7, 3, kEntryUnreplicated | kEntryUnderReplicated, true, 3},  // on this server only
      {7, 3, kEntryTakeoverPending, true, 3},                       // taken over
      {7, 3, kEntryTombstone, false, 4},                            // destroyed: what is started anew follows on it
      {7, 3, kEntryTombstone | kEntryUnreplicated, false, 4},       // destroyed, and no node knows
      {0, 1, kEntryLocalOnly, false, 1},                            // empty and new
      {0, 4, kEntryLocalOnly | kEntryMadeHere, false, 4},           // the same, begun after another epoch
  };
  for (const auto& row : rows) {
    CAPTURE(row.version, row.epoch, row.flags);
    loaded.entry.version = row.version;
    loaded.entry.epoch = row.epoch;
    loaded.entry.flags = row.flags;
    CHECK(loaded.version() == row.version);
    CHECK(loaded.exists() == row.exists);
    CHECK(loaded.epoch() == row.served_under);
    CHECK(loaded.OwesWrite() == (row.flags == kEntryTakeoverPending));
    loaded.must_write = true;
    CHECK(loaded.OwesWrite() == (row.exists || (row.flags & kEntryTombstone) != 0));
    loaded.must_write = false;
  }
}

TEST_CASE_METHOD(Fixture, "A session that was destroyed meanwhile is gone until it is written again", "[session]") {
  loaded.entry.version = 7;
  loaded.entry.epoch = 3;
  loaded.entry.flags = kEntryTakeoverPending;
  loaded.image.SetPayload("n|i:1;");
  loaded.must_write = true;
  loaded.NoteDestroyedMeanwhile();
  CHECK_FALSE(loaded.exists());
  CHECK_FALSE(loaded.OwesWrite());
  CHECK(loaded.image.payload().empty());
  CHECK(loaded.version() == 7);  // a write that follows is later than what it was made from
  CHECK(loaded.epoch() == 3);
  Entry written;
  written.version = 8;
  written.epoch = 3;
  loaded.NoteWritten(written);
  CHECK(loaded.exists());
}

TEST_CASE_METHOD(Fixture, "A session has the same items whether it is found by its ID or by its entry", "[session]") {
  const std::string named = NameNode(a.context().nodes->addresses(), 1, kId);
  a.context().space = Hash128({}, "local", "pool");
  for (const std::string& id : {kId, named}) {
    const SessionAddress by_id(a.context(), id);
    const SessionAddress by_entry(a.context(), by_id.local_key(), by_id.HomeNode());
    CHECK(by_id.id() == id);
    CHECK(by_entry.id().empty());
    CHECK(by_entry.global_key() == by_id.global_key());
    CHECK(by_entry.home() == by_id.home());
    CHECK(by_id.local_key() == a.context().InSpace(by_id.global_key()));
    const NodeItems of_id(a.context(), by_id, Entry());
    const NodeItems of_entry(a.context(), by_entry, Entry());
    CHECK(of_id.key == of_entry.key);
    CHECK(of_id.placement == of_entry.placement);
    CHECK(of_id.placement.size() == 3);
    CHECK(of_id.tokens == std::vector<NodeToken>(3));
  }
  CHECK(SessionAddress(a.context(), named).home() == "m2");
}

TEST_CASE_METHOD(Fixture, "The tokens of an entry are its nodes', until they are forgotten", "[session]") {
  NodeItems items(a.context(), loaded.address(), Entry());
  const uint32_t first = items.placement[0];
  const uint32_t last = items.placement[2];
  items.tokens[first] = {11, 1};
  items.tokens[last] = {33, 3};
  items.has_session[first] = items.has_session[last] = true;
  CHECK(loaded.items_if_used() == nullptr);
  items.SaveTokens(*a.context().nodes, &loaded.entry);
  CHECK(loaded.items().tokens[first] == NodeToken{11, 1});
  CHECK(loaded.items().tokens[last] == NodeToken{33, 3});
  CHECK_FALSE(loaded.items().tokens[items.placement[1]].known());
  loaded.entry.tokens = {};
  CHECK(loaded.items().tokens[first].known());
  loaded.ForgetTokens();
  CHECK_FALSE(loaded.items().tokens[first].known());
}
