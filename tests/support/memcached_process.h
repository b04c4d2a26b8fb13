// A real memcached of a test's own, on a free loopback port or a unix socket. Layer: tests. Ended with the object, by
// its process ID, and by the kernel should the test die first. Belongs to the thread that made it.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_MEMCACHED_PROCESS_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_MEMCACHED_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/temp_dir.h"

namespace clustered_session {

class MemcachedProcess {
 public:
  struct Options {
    std::vector<std::string> arguments;  // such as {"-I", "2m"}
    std::string unix_path;               // listen there instead of on a port
    bool v6 = false;                     // listen on ::1 instead of 127.0.0.1
    std::string username;                // ask for this user (memcached -Y), unless it is empty
    std::string password;
    std::vector<std::string> tls;  // of -o, such as {"ssl_chain_cert=/x"}: speaks TLS as well, on tls_port()
    std::vector<std::pair<std::string, std::string>> environment;
    bool sasl = false;  // by SASL instead (memcached -S), which takes the binary protocol
  };

  // Returns when it answers; throws std::runtime_error if it does not in 10 seconds.
  MemcachedProcess() : MemcachedProcess(Options{}) {}
  explicit MemcachedProcess(Options options);
  ~MemcachedProcess();
  MemcachedProcess(const MemcachedProcess&) = delete;
  MemcachedProcess& operator=(const MemcachedProcess&) = delete;

  uint16_t port() const { return port_; }
  uint16_t tls_port() const { return tls_port_; }
  pid_t pid() const { return pid_; }
  const std::string& unix_path() const { return options_.unix_path; }

  void Kill();      // SIGKILL, and waits for its end
  void Stop();      // SIGSTOP: accepts connections (the kernel does) and answers nothing
  void Continue();  // SIGCONT
  void Restart();   // kills it if it runs, and starts an empty one at the same place

  // Sends `request` on a connection of its own, with the user and password if they are asked for, and returns the
  // answer up to `end`; "" if there is none in 5 seconds.
  std::string Ask(std::string_view request, std::string_view end) const;

  // Also with SASL, where Ask() is of no use. `Get` returns "" for a missing item; `Set` is true if it was stored.
  std::string Get(const std::string& key) const;
  bool Set(const std::string& key, const std::string& value) const;
  bool Delete(const std::string& key) const;
  uint64_t Stat(const std::string& name) const;  // of "stats"; 0 if there is none

 private:
  int Connect() const;
  void WriteUsers();
  void Start();
  bool Spawn();
  bool WaitUntilItAnswers() const;
  std::string Exchange(int descriptor, std::string_view request, std::string_view end) const;

  Options options_;
  uint16_t port_ = 0;
  uint16_t tls_port_ = 0;
  pid_t pid_ = -1;
  std::unique_ptr<TempDir> folder_;  // of the file of users, or of SASL's configuration
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_MEMCACHED_PROCESS_H_
