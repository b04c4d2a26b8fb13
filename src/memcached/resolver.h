// Resolver: from a host name to its addresses, within a time. Layer: memcached; for the engines of nodes only. One per
// process, for all its threads; a child made by fork() begins with an empty one.
//
// getaddrinfo() has no timeout, and a name server that does not answer keeps it for ten seconds and more. So it runs on
// a thread of its own, which is waited for as long as the caller has time. The lookup goes on by itself, and whoever
// asks soon after finds what it has brought. Threads wait in the system's resolver at most one per name.
#ifndef CLUSTERED_SESSION_MEMCACHED_RESOLVER_H_
#define CLUSTERED_SESSION_MEMCACHED_RESOLVER_H_

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/clock.h"
#include "src/base/result.h"
#include "src/cluster/health.h"

namespace clustered_session {

using HostAddresses = std::vector<std::string>;  // as text, in the order to try them

class Resolver {
 private:
  struct Query;
  struct Bell;

 public:
  // Blocks; the system's resolver unless a test gives another.
  using Lookup = std::function<Result<HostAddresses>(const std::string& host)>;

  // A name that is being looked up for somebody who waits by poll(). Belongs to one thread.
  class Waiter {
   public:
    ~Waiter();
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    // Becomes readable when the result is there. -1: there is no descriptor; look again in a moment.
    int descriptor() const;
    // None yet, or the addresses, or an error as of Resolve(). It is given once.
    std::optional<Result<HostAddresses>> Take();

   private:
    friend class Resolver;
    Waiter(Resolver* resolver, std::string host, std::shared_ptr<Query> query);

    Resolver* const resolver_;
    const std::string host_;
    const std::shared_ptr<Query> query_;
    std::shared_ptr<Bell> bell_;
    const uint64_t process_;  // that looks up, by its number among forks
  };

  explicit Resolver(Lookup lookup) : lookup_(std::move(lookup)) {}
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Never destroyed, as a thread may be waiting in it when the process ends.
  static Resolver& OfProcess();
  // Tests: what it looks up with from now on.
  void SetLookup(Lookup lookup);

  // The addresses of `host`, by `deadline`; a numeric one is its own. Errors, without the host's name: kTimeout,
  // kUnavailable.
  Result<HostAddresses> Resolve(const std::string& host, TimePoint deadline);
  // Begins to look `host` up, and does not wait. REQUIRES: not an address in numbers
  std::unique_ptr<Waiter> Begin(const std::string& host);
  static bool IsNumeric(const std::string& host);

 private:
  struct Bell {
    Bell();
    ~Bell();
    const int descriptor;
  };
  struct Query {
    bool done = false;
    TimePoint done_at;
    Result<HostAddresses> result{HostAddresses()};
    std::vector<std::shared_ptr<Bell>> bells;  // of those who wait by poll()
  };

  std::shared_ptr<Query> Find(const std::string& host);
  void Forget(const std::string& host, const std::shared_ptr<Query>& query);
  void Start(const std::string& host, const std::shared_ptr<Query>& query);

  std::mutex mutex_;
  std::condition_variable answered_;
  std::map<std::string, std::shared_ptr<Query>> queries_;  // under way, or not yet looked at
  Lookup lookup_;
};

// The system's resolver.
Result<HostAddresses> LookUpHost(const std::string& host);

// The address at which a node was reached last, by any worker of the server: what is tried if its name cannot be
// resolved. Only IP addresses are kept.
void KeepAddress(NodeHealth* health, std::string_view address);
std::string KeptAddress(const NodeHealth& health);  // empty: none

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_RESOLVER_H_
