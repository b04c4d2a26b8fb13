// Resolver: from a host name to its addresses, within a time. Layer: memcached; for the engines of nodes only. One per
// process, for all its threads; a child made by fork() begins with an empty one.
//
// getaddrinfo() has no timeout, and a name server that does not answer keeps it for ten seconds and more. So it runs on
// a thread of its own, which is waited for as long as the caller has time. The lookup goes on by itself, and whoever
// asks soon after finds what it has brought. Threads wait in the system's resolver at most one per name.
#ifndef CLUSTERED_SESSION_MEMCACHED_RESOLVER_H_
#define CLUSTERED_SESSION_MEMCACHED_RESOLVER_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/clock.h"
#include "src/base/result.h"
#include "src/cluster/health.h"

namespace clustered_session {

using HostAddresses = std::vector<std::string>;  // as text, in the order to try them

class Resolver {
 public:
  // Blocks; the system's resolver unless a test gives another.
  using Lookup = std::function<Result<HostAddresses>(const std::string& host)>;

  // A name that is being looked up, for all who ask for it meanwhile.
  class Query {
   public:
    Query();
    ~Query();
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;

    // Is readable from when the result is there. -1: there is no descriptor; look again in a moment.
    int descriptor() const { return descriptor_; }
    // None yet, or the addresses, or an error as of Resolve(). Who asks for the name after that has it looked up anew.
    std::optional<Result<HostAddresses>> Take();

   private:
    friend class Resolver;
    void End(Result<HostAddresses> result);

    const int descriptor_;
    Result<HostAddresses> result_{HostAddresses()};
    TimePoint done_at_;
    std::atomic<bool> done_{false};  // guards the two above
    std::atomic<bool> taken_{false};
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
  std::shared_ptr<Query> Begin(const std::string& host);
  static bool IsNumeric(const std::string& host);

 private:
  std::mutex mutex_;
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
