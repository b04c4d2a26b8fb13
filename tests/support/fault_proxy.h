// A proxy between a client and a node that counts what passes and does what broken networks and nodes do. Layer: tests.
// Runs on a thread of its own, on a free port of 127.0.0.1 or on a unix socket. All methods may be called from any
// thread.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_FAULT_PROXY_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_FAULT_PROXY_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace clustered_session {

// Apply to what arrives after they were set, on old connections and new ones.
struct ProxyFaults {
  std::chrono::milliseconds delay{0};  // of every answer
  bool hold = false;                   // answers are held back for as long as this is set
  std::chrono::milliseconds drip{0};   // answers go out a byte at a time, this far apart
  size_t drip_from = 0;                // but the first so many bytes of an answer at once
  bool black_hole = false;             // requests are taken and never answered
  bool deaf = false;                   // nothing is read from the client: its sending stalls
  bool hang_connects = false;          // no connection is accepted any more: connecting hangs
  bool refuse = false;                 // connections are closed as soon as they are accepted
  bool close_on_request = false;       // a request is answered by closing
  size_t close_on_requests = 0;        // the next so many requests are; then as if this were not set
  std::string close_on_text;           // requests that hold this text are answered by closing
  std::optional<size_t> cut_after;     // so many bytes of an answer, then the connection is closed
  std::optional<size_t> stall_after;   // so many bytes of an answer, then no more of it
  // What asks for items is answered with this, with the command's number, if it has one, in place of "#". Nothing is
  // passed on.
  std::optional<std::string> answer_instead;
  // Likewise what asks for a list of keys, and nothing else. `list_closes`: and then the connection is closed.
  std::optional<std::string> list_answer;
  bool list_closes = false;
};

class FaultProxy {
 public:
  // Relays to `target_port` of 127.0.0.1; listens on `unix_path` if it is not empty.
  explicit FaultProxy(uint16_t target_port, const std::string& unix_path = {});
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  uint16_t port() const { return port_; }
  void Set(const ProxyFaults& faults);
  void Heal() { Set({}); }
  void HideMeta(bool hides = true);  // from now on the node says that it knows no meta commands
  void CloseConnections();           // returns when they are closed
  // As a firewall does it that has forgotten the connections there are: what is sent on them gets lost, and nobody is
  // told. New connections work.
  void ForgetConnections();

  size_t round_trips() const;    // requests (however many commands) that were followed by an answer
  size_t connections() const;    // accepted since the start
  size_t requests_lost() const;  // on forgotten connections
  std::string requests() const;  // all bytes that clients sent

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Pending {
    Time due;
    std::string bytes;
    bool close_after = false;
  };
  struct Connection {
    int client = -1;
    int target = -1;
    bool asked = false;
    size_t answered = 0;  // bytes since the last request
    bool closed = false;
    bool forgotten = false;
    std::list<Pending> answers;
  };

  void Run();
  void Accept();
  void EmptyQueue();
  void FromClient(Connection* connection);
  void FromTarget(Connection* connection);
  void Answer(Connection* connection, const std::string& bytes);
  void SendDue(Connection* connection, Time now);
  void Wake();

  const uint16_t target_port_;
  uint16_t port_ = 0;
  int listener_ = -1;
  int wake_[2] = {-1, -1};

  mutable std::mutex mutex_;  // guards what follows
  ProxyFaults faults_;
  bool stop_ = false;
  bool hides_meta_ = false;
  size_t round_trips_ = 0;
  size_t accepted_ = 0;
  size_t requests_lost_ = 0;
  std::string requests_;
  std::list<Connection> connections_;
  std::vector<int> queued_;  // fill the queue of connections, while connecting hangs

  std::thread thread_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_FAULT_PROXY_H_
