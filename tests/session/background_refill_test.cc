// The thread that brings back to real nodes what no server holds any more. Layer: tests. Mirrors
// src/session/refiller.h; see refill_test.cc for the rules.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <string>
#include <vector>

#include "src/local/fault_point.h"
#include "src/session/background_flusher.h"
#include "src/session/repairer.h"
#include "src/session/session.h"
#include "src/session/worker.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"
#include "tests/support/temp_dir.h"

using namespace clustered_session;

namespace {

// Servers that share three nodes: their shared memory can be thrown away.
struct ForgetfulServer {
  explicit ForgetfulServer(MemcachedProcess::Options options = {})
      : nodes{MemcachedProcess(options), MemcachedProcess(options), MemcachedProcess(options)} {
    settings.server_id = "a";
    settings.retry_interval = std::chrono::milliseconds(20);
    settings.username = options.username;
    settings.password = options.password;
    for (MemcachedProcess& node : nodes) ports.push_back(node.port());
    Start();
  }

  // As a stop of PHP and a start do.
  void Start() {
    flusher.reset();
    worker.reset();
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(8u << 20, sizeof(SharedState));
    REQUIRE(made.ok());
    store = std::move(*made);
    REQUIRE(shared()->Init());
    worker = std::make_unique<Worker>(store.get(), &clock);
    flusher = std::make_unique<BackgroundFlusher>(store.get(), &clock, settings);
  }
  SharedState* shared() { return static_cast<SharedState*>(store->Extra()); }
  std::shared_ptr<const SessionContext> Context() {
    std::string path;
    for (size_t i = 0; i < ports.size(); ++i) {
      path += (i > 0 ? ",m" : "m") + std::to_string(i) + "=127.0.0.1:" + std::to_string(ports[i]);
    }
    const auto context = worker->ContextFor(path, settings, ++generation);
    return context.ok() ? *context : nullptr;
  }
  std::vector<std::string> Write(int count, size_t size = 100) {
    const auto context = Context();
    REQUIRE(context != nullptr);
    std::vector<std::string> ids;
    for (int i = 0; i < count; ++i) {
      Session session(*context);
      const auto number = static_cast<unsigned long long>(next++);
      ids.push_back(session.CreateId(std::to_string(number) + "abcdefghijklmnopqrstuvwxyz", number));
      REQUIRE(session.Read(ids.back(), 1440).ok());
      REQUIRE(
          session.Write(ids.back(), "n|s:" + std::to_string(size) + ":\"" + std::string(size, 'x') + "\";", 1440).ok());
    }
    return ids;
  }
  void Destroy(const std::vector<std::string>& ids) {
    const auto context = Context();
    for (const std::string& id : ids) {
      Session session(*context);
      REQUIRE(session.Read(id, 1440).ok());
      REQUIRE(session.Destroy(id, 1440).ok());
    }
  }
  bool Whole() { return IsWhole(*Context()); }
  // Until all is: its thread runs, as some session was served.
  bool AwaitWhole() {
    Write(1);
    flusher->Wake();
    return WaitUntil([&] { return Whole(); }, std::chrono::seconds(60));
  }
  size_t FoundBy(const std::vector<std::string>& ids) {
    const auto context = Context();
    return static_cast<size_t>(std::count_if(ids.begin(), ids.end(), [&](const std::string& id) {
      Session session(*context);
      const Result<std::string_view> read = session.Read(id, 1440);
      return read.ok() && !read->empty();
    }));
  }
  bool Lists(const std::string& name) {
    const auto context = Context();
    for (uint32_t node = 0; node < 3; ++node) {
      const NodeMemory* memory =
          context->shared->repair.FindMemoryOf(context->pool_hash, context->nodes->member(node).hash);
      if (context->nodes->member(node).node->name() == name) {
        return memory != nullptr && memory->lists.load() == NodeMemory::kTold;
      }
    }
    return false;
  }

  MemcachedProcess nodes[3];
  std::vector<uint16_t> ports;
  SystemClock clock;
  std::unique_ptr<LocalStore> store;
  std::unique_ptr<Worker> worker;
  std::unique_ptr<BackgroundFlusher> flusher;
  SessionSettings settings;
  uint64_t generation = 0;
  uint64_t next = 0;
};

// The servers start anew, a node restarts empty, and another one dies: everybody is logged in, and nobody again.
void LoseOneAfterTheOther(ForgetfulServer* server) {
  std::vector<std::string> ids = server->Write(300);
  const std::vector<std::string> large = server->Write(3, 100'000);  // not in batches
  ids.insert(ids.end(), large.begin(), large.end());
  const std::vector<std::string> gone = server->Write(50);
  server->Destroy(gone);
  REQUIRE(server->AwaitWhole());
  server->Start();
  REQUIRE(server->AwaitWhole());
  server->nodes[0].Restart();
  CHECK_FALSE(server->Whole());
  REQUIRE(server->AwaitWhole());
  server->Start();
  server->nodes[1].Kill();
  CHECK(server->FoundBy(ids) == ids.size());
  CHECK(server->FoundBy(gone) == 0);
}

}  // namespace

TEST_CASE("Sessions that no server holds survive one node after the other", "[repair][refill]") {
  ForgetfulServer server;
  LoseOneAfterTheOther(&server);
}

TEST_CASE("So they do with a password, keyed session keys and encryption, and with write=behind", "[repair][refill]") {
  MemcachedProcess::Options options;
  options.username = "web";
  options.password = "word";
  ForgetfulServer server(options);
  TempDir folder;
  const std::string key_file = folder.path() + "/keys";
  FILE* file = fopen(key_file.c_str(), "w");
  REQUIRE(file != nullptr);
  fputs((NewKeyLine("k1") + "\n").c_str(), file);
  fclose(file);
  REQUIRE(chmod(key_file.c_str(), 0400) == 0);
  server.settings.key_file = key_file;
  server.settings.signed_ids = SignedIds::kMake;
  server.settings.write = WriteMode::kBehind;
  server.settings.prefix = "shop/";
  server.Start();
  LoseOneAfterTheOther(&server);
}

TEST_CASE("A worker that is killed while a node is filled is followed by the next one", "[repair][refill]") {
  ForgetfulServer server;
  const std::vector<std::string> ids = server.Write(300);
  server.Start();
  REQUIRE(server.AwaitWhole());
  server.flusher->Stop();
  server.nodes[2].Restart();
  for (const char* point : {"refill.listed", "refill.stored"}) {
    ChildProcess dies([&]() -> int {
      static const char* at;
      at = point;
      fault_handler.store([](const char* name) {
        if (std::string_view(name) == at) raise(SIGKILL);
      });
      BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
      flusher.Wake();
      for (;;) pause();
    });
    const ChildProcess::End end = dies.Wait();
    CHECK(end.signal == SIGKILL);
  }
  server.flusher = std::make_unique<BackgroundFlusher>(server.store.get(), &server.clock, server.settings);
  REQUIRE(server.AwaitWhole());
  server.Start();
  server.nodes[0].Kill();
  CHECK(server.FoundBy(ids) == ids.size());
}

TEST_CASE("A node that caches 100,000 other items is listed all the same", "[repair][refill]") {
  ForgetfulServer server;
  const std::vector<std::string> ids = server.Write(100);
  for (int first = 0; first < 100'000; first += 2000) {
    std::string text;
    for (int i = first; i < first + 2000; ++i) {
      text += "set page:" + std::to_string(i) + " 0 0 10 noreply\r\n0123456789\r\n";
    }
    REQUIRE(server.nodes[1].Ask(text + "get none\r\n", "END\r\n") == "END\r\n");
  }
  server.Start();
  server.nodes[0].Restart();
  REQUIRE(server.AwaitWhole());
  CHECK(server.Lists("m1"));
  server.Start();
  server.nodes[1].Kill();
  CHECK(server.FoundBy(ids) == ids.size());
}

TEST_CASE("A list that is busy, cut or hangs for a while is asked for again", "[repair][refill]") {
  ForgetfulServer server;
  FaultProxy proxy(server.nodes[1].port());
  server.ports[1] = proxy.port();
  const std::vector<std::string> ids = server.Write(100);
  server.Start();
  ProxyFaults faults;
  const std::string key = "key=cs%3Ax exp=1 la=1 cas=1 fetch=no cls=1 size=74\n";
  SECTION("busy") { faults.list_answer = "BUSY currently processing crawler request\r\n"; }
  SECTION("cut") {
    faults.list_answer = key + key.substr(0, 9);
    faults.list_closes = true;
  }
  SECTION("garbage") { faults.list_answer = "what?\r\n"; }
  SECTION("hung") { faults.list_answer = key; }
  proxy.Set(faults);
  server.nodes[0].Restart();
  server.Write(1);
  server.flusher->Wake();
  const auto lists_asked = [&] {
    const std::string requests = proxy.requests();
    size_t count = 0;
    for (size_t at = requests.find("metadump"); at != std::string::npos; at = requests.find("metadump", at + 1))
      ++count;
    return count;
  };
  REQUIRE(WaitUntil([&] { return lists_asked() >= 2; }, std::chrono::seconds(60)));
  CHECK_FALSE(server.Whole());
  proxy.Heal();
  REQUIRE(server.AwaitWhole());
  CHECK(server.Lists("m1"));
  server.Start();
  server.nodes[1].Kill();
  CHECK(server.FoundBy(ids) == ids.size());
}
