// The value of a node's sentinel. Layer: tests.
#include "src/cluster/sentinel.h"

#include <catch2/catch.hpp>

using namespace clustered_session;

TEST_CASE("A sentinel tells when it was added", "[cluster]") {
  CHECK(SentinelTime(SentinelValue("0123456789abcdef", 1'700'000'000)) == 1'700'000'000);
  CHECK(SentinelTime(SentinelValue("", 0)) == 0);
  CHECK(SentinelValue("a", 1) != SentinelValue("b", 1));
}

TEST_CASE("What is no sentinel of this version tells no time", "[cluster]") {
  for (const char* value : {"", "0123456789abcdef", "a@", "a@x", "a@-1", "a@1x", "a@ 1", "a@99999999999999999999"}) {
    INFO(value);
    CHECK_FALSE(SentinelTime(value));
  }
}
