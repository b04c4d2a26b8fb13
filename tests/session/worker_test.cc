// What a worker keeps over requests: nodes by what they are reached with, and contexts that stay as they were given
// out. Layer: tests.
#include "src/session/worker.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "src/memcached/tls_stream.h"
#include "tests/support/memcached_process.h"

using namespace clustered_session;

namespace {

struct WorkerFixture {
  WorkerFixture() {
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(1u << 20, sizeof(SharedState));
    REQUIRE(made.ok());
    store = std::move(*made);
    REQUIRE(static_cast<SharedState*>(store->Extra())->Init());
    worker = std::make_unique<Worker>(store.get(), &clock);
  }

  std::shared_ptr<const SessionContext> Context(const std::string& save_path = "m1=127.0.0.1:11211") {
    auto context = worker->ContextFor(save_path, settings, ++generation);
    REQUIRE(context.ok());
    return *context;
  }

  SharedState& shared() { return *static_cast<SharedState*>(store->Extra()); }

  SystemClock clock;
  std::unique_ptr<LocalStore> store;
  std::unique_ptr<Worker> worker;
  SessionSettings settings;
  uint64_t generation = 0;
};

}  // namespace

TEST_CASE_METHOD(WorkerFixture, "A setting that no node sees keeps the nodes, and leaves earlier contexts as they were",
                 "[session]") {
  const auto before = Context();
  settings.copies = 1;
  settings.lock = LockMode::kNone;
  const auto after = Context();
  CHECK(after->nodes == before->nodes);
  CHECK(after->settings.copies == 1);
  CHECK(after->settings.lock == LockMode::kNone);
  CHECK(before->settings.copies == SessionSettings().copies);
  CHECK(before->settings.lock == SessionSettings().lock);
}

TEST_CASE_METHOD(WorkerFixture, "Each way of reaching nodes has nodes of its own, and finds them again", "[session]") {
  const auto first = Context();
  SECTION("connect_timeout") { settings.connect_timeout += std::chrono::milliseconds(1); }
  SECTION("operation_timeout") { settings.operation_timeout += std::chrono::milliseconds(1); }
  SECTION("retry_interval") { settings.retry_interval += std::chrono::milliseconds(1); }
  SECTION("password") { settings.password = "secret"; }
  const auto second = Context();
  CHECK(second->nodes != first->nodes);
  CHECK(second->space == first->space);  // the sessions are the same
  settings = SessionSettings();
  CHECK(Context()->nodes == first->nodes);
}

TEST_CASE_METHOD(WorkerFixture, "Pools that differ in save_path share no local copies", "[session]") {
  const auto one = Context("m1=127.0.0.1:11211");
  const auto other = Context("m1=127.0.0.1:11212");
  CHECK(one->nodes != other->nodes);
  CHECK_FALSE(one->space == other->space);
}

TEST_CASE_METHOD(WorkerFixture,
                 "Of many pools the last used stay, and one that is left has its nodes until it is closed",
                 "[session]") {
  const auto path = [](int number) { return "m1=127.0.0.1:" + std::to_string(20000 + number); };
  const NodeSet* kept = Context(path(0))->nodes;
  std::shared_ptr<const SessionContext> open = Context(path(1));
  const std::weak_ptr<const SessionContext> watched = open;
  for (int i = 2; i < 40; ++i) {
    Context(path(i));
    CHECK(Context(path(0))->nodes == kept);
  }
  CHECK(open->nodes->size() == 1);
  CHECK(open->nodes->addresses().front().port == 20001);
  open.reset();
  CHECK(watched.expired());
}

TEST_CASE_METHOD(WorkerFixture, "A pool that no node lets in is alone, and another pool of the same nodes is not",
                 "[session]") {
  MemcachedProcess::Options options;
  options.username = "web";
  options.password = "right";
  MemcachedProcess memcached(options);
  const std::string save_path = "m1=127.0.0.1:" + std::to_string(memcached.port());
  settings.connect_timeout = settings.operation_timeout = std::chrono::seconds(30);
  settings.username = "web";
  settings.password = "wrong";
  const auto stranger = Context(save_path);
  settings.password = "right";
  const auto known = Context(save_path);
  const TimePoint deadline = clock.Now() + std::chrono::seconds(60);

  REQUIRE(stranger->nodes->ReadAll({0}, "k", deadline)[0].reply.failure == NodeFailure::kCredentials);
  TimePoint since;
  CHECK(stranger->nodes->Alone(&since));
  CHECK_FALSE(known->nodes->Alone(&since));
  while (shared().events.Take(0)) {
  }
  REQUIRE(known->nodes->ReadAll({0}, "k", deadline)[0].reply.status == NodeStatus::kMiss);
  CHECK_FALSE(shared().events.Take(0));  // nothing had ended for it
  CHECK(stranger->nodes->Alone(&since));
}

TEST_CASE_METHOD(
    WorkerFixture,
    "Nodes with TLS are others where its settings are, and share what is known of them with no other settings",
    "[session]") {
  if (!TlsBuiltIn()) {
    CHECK(worker->ContextFor("m1=tls://127.0.0.1", settings, 1).error().code() == ErrorCode::kUnsupported);
    return;
  }
  const auto before = Context("m1=tls://127.0.0.1:1,m2=127.0.0.1:2");
  settings.tls.verifies = false;
  const auto after = Context("m1=tls://127.0.0.1:1,m2=127.0.0.1:2");
  CHECK(after->nodes != before->nodes);
  CHECK(after->nodes->member(0).health.get() != before->nodes->member(0).health.get());
  CHECK(after->nodes->member(1).health.get() == before->nodes->member(1).health.get());
  CHECK(after->pool != before->pool);
}

TEST_CASE_METHOD(WorkerFixture, "SASL and TLS are refused together", "[session]") {
  settings.authentication = Authentication::kSasl;
  settings.username = "web";
  const auto context = worker->ContextFor("m1=127.0.0.1,m2=tls://127.0.0.2", settings, 1);
  REQUIRE_FALSE(context.ok());
  if (TlsBuiltIn())
    CHECK(context.error().message().find("does not work over TLS (tls://127.0.0.2:11211)") != std::string::npos);
}
