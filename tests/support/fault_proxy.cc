// Relays, counts and breaks. Layer: tests.
#include "tests/support/fault_proxy.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "tests/support/free_port.h"

namespace clustered_session {
namespace {

constexpr size_t kDrippedMax = 10'000;  // of each piece that comes from the node; the rest never goes out

void SetNoDelay(int descriptor) {
  const int one = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

bool SendAll(int descriptor, const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t part = send(descriptor, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (part <= 0) return false;
    sent += static_cast<size_t>(part);
  }
  return true;
}

// `answer` with the number of the last command of `request` in place of each "#".
std::string Numbered(std::string answer, const std::string& request) {
  const size_t at = request.rfind(" O");
  if (at == std::string::npos) return answer;
  const std::string number = request.substr(at + 2, request.find('\r', at) - at - 2);
  for (size_t place = answer.find('#'); place != std::string::npos; place = answer.find('#', place)) {
    answer.replace(place, 1, number);
  }
  return answer;
}

}  // namespace

FaultProxy::FaultProxy(uint16_t target_port, const std::string& unix_path) : target_port_(target_port) {
  listener_ = unix_path.empty() ? ListenOnLoopback(&port_) : ListenOnUnix(unix_path);
  if (pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) throw std::runtime_error("cannot make a pipe");
  // Signals are for the test's own thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

FaultProxy::~FaultProxy() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  Wake();
  thread_.join();
  for (const Connection& connection : connections_) {
    close(connection.client);
    if (connection.target >= 0) close(connection.target);
  }
  for (int client : queued_) close(client);
  for (int descriptor : {listener_, wake_[0], wake_[1]}) close(descriptor);
}

void FaultProxy::HideMeta(bool hides) {
  const std::lock_guard<std::mutex> lock(mutex_);
  hides_meta_ = hides;
}

void FaultProxy::ForgetConnections() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (Connection& connection : connections_) connection.forgotten = true;
}

size_t FaultProxy::requests_lost() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return requests_lost_;
}

void FaultProxy::Wake() {
  const char byte = 0;
  if (write(wake_[1], &byte, 1) < 0) return;  // full: it will wake anyway
}

void FaultProxy::Set(const ProxyFaults& faults) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    faults_ = faults;
    if (faults.hang_connects && queued_.empty()) queued_ = FillQueue(listener_);
    if (!faults.hang_connects && !queued_.empty()) EmptyQueue();
  }
  Wake();
}

// Connections that came in while nobody was accepted are closed: who made them has given up.
void FaultProxy::EmptyQueue() {
  for (int client : queued_) close(client);
  queued_.clear();
  pollfd item{listener_, POLLIN, 0};
  while (poll(&item, 1, 0) > 0) close(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
  listen(listener_, 64);
}

void FaultProxy::CloseConnections() {
  const std::lock_guard<std::mutex> lock(mutex_);
  // The thread closes the descriptors; the peers see the end now.
  for (Connection& connection : connections_) {
    shutdown(connection.client, SHUT_RDWR);
    connection.closed = true;
  }
  Wake();
}

size_t FaultProxy::round_trips() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return round_trips_;
}

size_t FaultProxy::connections() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return accepted_;
}

std::string FaultProxy::requests() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return requests_;
}

void FaultProxy::Accept() {
  pollfd item{listener_, POLLIN, 0};
  if (faults_.hang_connects || poll(&item, 1, 0) <= 0) return;
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  ++accepted_;
  if (faults_.refuse) {
    close(client);
    return;
  }
  SetNoDelay(client);
  Connection connection;
  connection.client = client;
  connection.target = ConnectToLoopback(target_port_);
  if (connection.target >= 0) SetNoDelay(connection.target);
  connections_.push_back(std::move(connection));
}

void FaultProxy::FromClient(Connection* connection) {
  char buffer[65536];
  const ssize_t size = recv(connection->client, buffer, sizeof buffer, 0);
  if (size <= 0) {
    connection->closed = true;
    return;
  }
  if (connection->forgotten) {
    ++requests_lost_;
    return;
  }
  const std::string bytes(buffer, static_cast<size_t>(size));
  requests_ += bytes;
  connection->asked = true;
  connection->answered = 0;
  if (faults_.black_hole) return;
  const bool counted = faults_.close_on_requests > 0;
  if (counted) --faults_.close_on_requests;
  const bool named = !faults_.close_on_text.empty() && bytes.find(faults_.close_on_text) != std::string::npos;
  if (faults_.close_on_request || counted || named) {
    connection->closed = true;
  } else if (faults_.answer_instead) {
    const bool asks = bytes.find("get") != std::string::npos || bytes.find("mg ") != std::string::npos ||
                      bytes.front() == '\x80';  // the binary protocol
    if (asks) Answer(connection, Numbered(*faults_.answer_instead, bytes));
  } else if (faults_.list_answer && bytes.starts_with("lru_crawler")) {
    connection->answers.push_back({std::chrono::steady_clock::now(), *faults_.list_answer, faults_.list_closes});
  } else if (connection->target < 0 || !SendAll(connection->target, bytes)) {
    connection->closed = true;
  }
}

void FaultProxy::FromTarget(Connection* connection) {
  char buffer[65536];
  const ssize_t size = recv(connection->target, buffer, sizeof buffer, 0);
  if (size <= 0) {
    connection->closed = true;
    return;
  }
  if (faults_.black_hole || faults_.answer_instead || connection->forgotten) return;  // of a request before the fault
  std::string bytes(buffer, static_cast<size_t>(size));
  const size_t known = hides_meta_ ? bytes.find("HD ") : std::string::npos;
  if (known != std::string::npos) bytes.replace(known, bytes.find('\r', known) - known, "ERROR");
  Answer(connection, bytes);
}

void FaultProxy::Answer(Connection* connection, const std::string& bytes) {
  if (connection->asked) ++round_trips_;
  connection->asked = false;
  Time due = std::chrono::steady_clock::now() + faults_.delay;
  if (faults_.cut_after) {
    connection->answers.push_back({due, bytes.substr(0, *faults_.cut_after), true});
  } else if (faults_.stall_after) {
    const size_t left = *faults_.stall_after - std::min(*faults_.stall_after, connection->answered);
    connection->answered += bytes.size();
    if (left > 0) connection->answers.push_back({due, bytes.substr(0, left), false});
  } else if (faults_.drip.count() == 0) {
    connection->answers.push_back({due, bytes, false});
  } else {
    const size_t at_once =
        std::min(faults_.drip_from - std::min(faults_.drip_from, connection->answered), bytes.size());
    connection->answered += at_once;
    if (at_once > 0) connection->answers.push_back({due, bytes.substr(0, at_once), false});
    for (const char byte : bytes.substr(at_once, kDrippedMax)) {
      connection->answers.push_back({due, std::string(1, byte), false});
      due += faults_.drip;
    }
  }
}

void FaultProxy::SendDue(Connection* connection, Time now) {
  while (!faults_.hold && !connection->closed && !connection->answers.empty() &&
         connection->answers.front().due <= now) {
    const Pending answer = std::move(connection->answers.front());
    connection->answers.pop_front();
    if (!SendAll(connection->client, answer.bytes) || answer.close_after) connection->closed = true;
  }
}

void FaultProxy::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    std::vector<pollfd> items = {{wake_[0], POLLIN, 0}, {faults_.hang_connects ? -1 : listener_, POLLIN, 0}};
    Time next = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    for (const Connection& connection : connections_) {
      items.push_back({faults_.deaf ? -1 : connection.client, POLLIN, 0});
      items.push_back({connection.target, POLLIN, 0});
      if (!connection.answers.empty() && !faults_.hold) next = std::min(next, connection.answers.front().due);
    }
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - std::chrono::steady_clock::now());
    lock.unlock();
    poll(items.data(), items.size(), static_cast<int>(std::max<int64_t>(wait.count(), 0)));
    lock.lock();

    char buffer[64];
    while (read(wake_[0], buffer, sizeof buffer) > 0) {
    }
    size_t index = 2;
    for (Connection& connection : connections_) {
      if (!connection.closed && !faults_.deaf && items[index].revents != 0) FromClient(&connection);
      if (!connection.closed && items[index + 1].revents != 0) FromTarget(&connection);
      SendDue(&connection, std::chrono::steady_clock::now());
      index += 2;
    }
    if (items[1].revents != 0) Accept();
    connections_.remove_if([](const Connection& connection) {
      if (!connection.closed) return false;
      close(connection.client);
      if (connection.target >= 0) close(connection.target);
      return true;
    });
  }
}

}  // namespace clustered_session
