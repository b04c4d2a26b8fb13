// An answer that is still flowing at the deadline, and others that are not. Mirrors src/memcached/meta_connection.h.
// The time is the test's: it says when the node looks, and what has come by then.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "src/cluster/flight.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/free_port.h"

namespace clustered_session {
namespace {

constexpr NodeTimeouts kLong = {seconds(100), seconds(100)};
constexpr size_t kMuch = 8192;  // bytes

// A peer that sends what it is told to, and the node that has asked it for "k" and waits for the value.
class SlowPeer {
 public:
  explicit SlowPeer(size_t value_size)
      : listener_(ListenOnLoopback(&port_)),
        client_(TcpAddress(port_), kLong),
        answer_("HD c1 f0 O0\r\nVA " + std::to_string(value_size) + " c5 O1\r\n" + std::string(value_size, 'v') +
                "\r\nVA 1 c1 O2\r\ns\r\n") {
    client_.node->StartRead("k", deadline);
    connection_ = accept(listener_, nullptr, nullptr);
    REQUIRE(connection_ >= 0);
    std::string asked;
    while (asked.find("O2\r\n") == std::string::npos) {
      Look(Now(), 1);
      char bytes[1024];
      const ssize_t size = recv(connection_, bytes, sizeof bytes, MSG_DONTWAIT);
      if (size > 0) asked.append(bytes, static_cast<size_t>(size));
      REQUIRE(Now() < deadline);
    }
  }
  ~SlowPeer() {
    close(connection_);
    close(listener_);
  }
  SlowPeer(const SlowPeer&) = delete;
  SlowPeer& operator=(const SlowPeer&) = delete;

  // The next bytes of the answer have come by `time`.
  void Send(size_t size, TimePoint time) {
    const std::string bytes = answer_.substr(sent_, size);
    REQUIRE(send(connection_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
    sent_ += bytes.size();
    Look(time, 10'000);
  }
  void SendRest(TimePoint time) {
    while (sent_ < answer_.size()) Send(kMuch, time);
  }
  // Nothing more has.
  void Pause(TimePoint time) { Look(time, 0); }

  bool done() const { return client_.node->pollable()->done(); }
  NodeReply Finish() { return client_.node->FinishRead(); }

  const TimePoint deadline = Now() + seconds(100);

 private:
  void Look(TimePoint time, int wait_ms) {
    Pollable* const read = client_.node->pollable();
    if (read->done()) return;
    std::vector<pollfd> waits;
    (void)read->AddWaits(&waits);
    (void)poll(waits.data(), waits.size(), wait_ms);
    read->Advance(waits, time);
  }

  uint16_t port_ = 0;
  int listener_;
  int connection_ = -1;
  TestNode client_;
  const std::string answer_;
  size_t sent_ = 0;
};

TEST_CASE("an answer that is still flowing at the deadline has a tenth of a second more") {
  SlowPeer peer(100 * kMuch);
  const auto after = [&](int ms) { return peer.deadline + milliseconds(ms); };
  peer.Send(kMuch, after(-4));
  peer.Pause(after(0));  // just between two pieces
  REQUIRE_FALSE(peer.done());
  for (int ms = 4; ms < 92; ms += 8) {
    peer.Send(kMuch, after(ms));
    peer.Pause(after(ms + 4));
    INFO(ms << " ms");
    REQUIRE_FALSE(peer.done());
  }
  SECTION("and is taken if it ends by then") {
    peer.SendRest(after(99));
    const NodeReply reply = peer.Finish();
    CHECK(reply.status == NodeStatus::kHit);
    CHECK(reply.value.size() == 100 * kMuch);
  }
  SECTION("and no more") {
    peer.Send(kMuch, after(98));
    peer.Pause(after(100));
    CHECK(peer.done());
    CHECK(peer.Finish().error.find("no complete answer") != std::string::npos);
  }
  SECTION("unless it stops") {
    peer.Pause(after(97));
    peer.Pause(after(99));
    CHECK(peer.done());
    CHECK(peer.Finish().failure == NodeFailure::kTimeout);
  }
}

TEST_CASE("an answer that has stopped before the deadline, or only drips, ends with it") {
  SlowPeer peer(100 * kMuch);
  const auto after = [&](int ms) { return peer.deadline + milliseconds(ms); };
  SECTION("it has stopped") {
    peer.Send(kMuch, after(-20));
    peer.Pause(after(0));
  }
  SECTION("it drips") {
    peer.Send(100, after(-4));
    peer.Send(100, after(-1));
    peer.Pause(after(0));
  }
  SECTION("it drips from now on") {
    peer.Send(kMuch, after(-4));
    peer.Pause(after(0));
    CHECK_FALSE(peer.done());
    for (int ms = 1; ms < 10; ++ms) peer.Send(100, after(ms));
    peer.Pause(after(10));
  }
  CHECK(peer.done());
  CHECK(peer.Finish().failure == NodeFailure::kTimeout);
}

}  // namespace
}  // namespace clustered_session
