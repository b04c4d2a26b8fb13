// What a request sends to nodes and gets from them, by the number of nodes: counts, not times, so that any machine
// gives the same. Layer: bench, above session/. Starts its own memcached processes and prints a table.
//   request_traffic_bench [largest number of nodes]
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/memcached/memcached_node.h"
#include "src/session/session.h"
#include "src/session/shared_state.h"
#include "tests/support/memcached_process.h"
#include "tests/support/temp_dir.h"

namespace {

struct Traffic {
  uint64_t sends = 0;
  uint64_t receives = 0;
  uint64_t polls = 0;
  uint64_t bytes_out = 0;
  uint64_t bytes_in = 0;
  uint64_t waits = 0;
};
Traffic seen;

}  // namespace

// The core's own calls come here in place of libc's.
extern "C" ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
  const ssize_t sent = syscall(SYS_sendmsg, descriptor, message, flags);
  ++seen.sends;
  if (sent > 0) seen.bytes_out += static_cast<uint64_t>(sent);
  return sent;
}

extern "C" ssize_t recv(int descriptor, void* data, size_t size, int flags) {
  const ssize_t received = syscall(SYS_recvfrom, descriptor, data, size, flags, nullptr, nullptr);
  ++seen.receives;
  if (received > 0) seen.bytes_in += static_cast<uint64_t>(received);
  return received;
}

extern "C" int ppoll(pollfd* descriptors, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  ++seen.polls;
  timespec left = timeout != nullptr ? *timeout : timespec();
  return static_cast<int>(syscall(SYS_ppoll, descriptors, count, timeout != nullptr ? &left : nullptr, mask, 8));
}

namespace clustered_session {
namespace {

constexpr uint32_t kLifetime = 1440;
constexpr int kSessions = 40;  // of which each figure is the mean

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "request_traffic_bench: %s\n", what.c_str());
  std::exit(1);
}

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) Fail(result.error().message());
  return std::move(*result);
}

void Must(const Status& status) {
  if (!status.ok()) Fail(status.error().message());
}

class Server {
 public:
  Server(const std::string& name, const std::vector<std::unique_ptr<MemcachedProcess>>& processes) {
    store_ = Must(LocalStore::Create(64u << 20, sizeof(SharedState)));
    auto* shared = static_cast<SharedState*>(store_->Extra());
    if (!shared->Init()) Fail("no shared memory");
    std::vector<NodeSet::Member> members;
    for (size_t i = 0; i < processes.size(); ++i) {
      NodeSet::Member member;
      member.address.name = "m" + std::to_string(i + 1);
      member.address.unix_path = processes[i]->unix_path();
      member.hash = NodeNameHash(member.address.name, member.address.ToString());
      member.health =
          HealthHandle(&shared->nodes, HealthKey(member.address.ToString(), {}), std::chrono::steady_clock::now());
      member.node = MakeMemcachedNode(member.address, {std::chrono::seconds(10), std::chrono::seconds(10)},
                                      member.health.get(), &store_->counters());
      members.push_back(std::move(member));
    }
    nodes_ = std::make_unique<NodeSet>(std::move(members), std::chrono::seconds(2), &clock_, &store_->counters());
    context.store = store_.get();
    context.nodes = nodes_.get();
    context.clock = &clock_;
    context.shared = shared;
    context.settings.server_id = name;
    context.settings.affinity = AffinityMode::kBalancer;
    context.settings.connect_timeout = context.settings.operation_timeout = std::chrono::seconds(10);
    std::vector<uint32_t> all(nodes_->size());
    for (uint32_t i = 0; i < all.size(); ++i) all[i] = i;
    (void)nodes_->ReadAll(all, "cs:warm", clock_.Now() + std::chrono::seconds(10));
  }

  uint64_t waits() const { return store_->counters().node_waits.Get(); }

  SessionContext context;

 private:
  SystemClock clock_;
  std::unique_ptr<LocalStore> store_;
  std::unique_ptr<NodeSet> nodes_;
};

std::string RandomPart() {
  static const char kDigits[] = "0123456789abcdef";
  std::string part(32, '0');
  for (char& digit : part) digit = kDigits[randombytes_uniform(16)];
  return part;
}

std::string NewId(Session* session) { return session->CreateId(RandomPart(), randombytes_random()); }

std::string Payload(size_t size, int number) {
  return "n|i:" + std::to_string(100000 + number) + ";p|s:" + std::to_string(size) + ":\"" + std::string(size, 'p') +
         "\";";
}

// A request of `server`: reads, and writes `payload` unless it is empty.
void Serve(Server* server, const std::string& id, const std::string& payload) {
  Session session(server->context);
  const std::string found(Must(session.Read(id, kLifetime)));
  if (!payload.empty()) {
    Must(session.Write(id, payload, kLifetime));
  } else {
    Must(session.UpdateTimestamp(id, found, kLifetime));
  }
  session.Close();
}

std::string Login(Server* server, const std::string& old, const std::string& payload) {
  std::vector<ReplacedSession> replaced;
  if (!old.empty()) {
    Session session(server->context);
    (void)Must(session.Read(old, kLifetime));
    session.DestroyLater(old, kLifetime);
    session.Close();
    replaced = session.TakeReplaced();
  }
  Session session(server->context);
  session.Replace(std::move(replaced));
  const std::string id = NewId(&session);
  (void)Must(session.Read(id, kLifetime));
  Must(session.Write(id, payload, kLifetime));
  session.Close();
  return id;
}

void Logout(Server* server, const std::string& id) {
  Session session(server->context);
  (void)Must(session.Read(id, kLifetime));
  Must(session.Destroy(id, kLifetime));
  session.Close();
}

void Measure(const char* what, size_t nodes, Server* server, const std::function<void(int)>& request) {
  seen = Traffic();
  const uint64_t waits = server->waits();
  for (int i = 0; i < kSessions; ++i) request(i);
  seen.waits = server->waits() - waits;
  const auto mean = [](uint64_t sum) { return static_cast<double>(sum) / kSessions; };
  std::printf("| %-38s | %5zu | %5.1f | %5.1f | %9.0f | %9.0f | %5.1f |\n", what, nodes, mean(seen.waits),
              mean(seen.sends), mean(seen.bytes_out), mean(seen.bytes_in),
              mean(seen.sends + seen.receives + seen.polls));
}

void Run(size_t count) {
  std::vector<std::unique_ptr<MemcachedProcess>> processes;
  const TempDir folder;
  for (size_t i = 0; i < count; ++i) {
    MemcachedProcess::Options options;
    options.unix_path = folder.path() + "/m" + std::to_string(i + 1);
    processes.push_back(std::make_unique<MemcachedProcess>(options));
  }
  Server a("a", processes);
  Server b("b", processes);
  std::vector<std::string> ids(kSessions);
  const std::string payload = Payload(4096, 0);
  const auto id = [&](int i) -> std::string& { return ids[static_cast<size_t>(i)]; };
  Measure("unknown ID", count, &a, [&](int) { Serve(&a, RandomPart(), {}); });
  Measure("first write of a session", count, &a, [&](int i) { id(i) = Login(&a, {}, payload); });
  Measure("unchanged", count, &a, [&](int i) { Serve(&a, id(i), {}); });
  Measure("changed", count, &a, [&](int i) { Serve(&a, id(i), Payload(4096, i)); });
  a.context.settings.local_trust = Duration::zero();
  Measure("unchanged, validated", count, &a, [&](int i) { Serve(&a, id(i), {}); });
  a.context.settings.local_trust = std::chrono::seconds(10);
  Measure("takeover, with its write", count, &b, [&](int i) { Serve(&b, id(i), {}); });
  Measure("login with session_regenerate_id(true)", count, &b, [&](int i) { id(i) = Login(&b, id(i), payload); });
  Measure("logout", count, &b, [&](int i) { Logout(&b, id(i)); });
  for (int i = 0; i < kSessions; ++i) id(i) = Login(&a, {}, Payload(500'000, i));
  Measure("takeover of 500 KB, with its write", count, &b, [&](int i) { Serve(&b, id(i), {}); });
}

}  // namespace
}  // namespace clustered_session

int main(int argc, char** argv) {
  if (sodium_init() < 0) return 1;
  const size_t most = argc > 1 ? static_cast<size_t>(std::atoi(argv[1])) : 64;
  std::printf("| 4 KB session, two copies                | nodes | waits | sends | bytes out |  bytes in | calls |\n");
  std::printf("|----------------------------------------|-------|-------|-------|-----------|-----------|-------|\n");
  for (const size_t nodes : {1, 2, 4, 16, 64}) {
    if (nodes <= most) clustered_session::Run(nodes);
  }
  return 0;
}
