// Starts, stops and asks a real memcached. Layer: tests.
#include "tests/support/memcached_process.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "tests/support/free_port.h"

namespace clustered_session {

MemcachedProcess::MemcachedProcess(Options options) : options_(std::move(options)) {
  if (!options_.username.empty()) {
    folder_ = std::make_unique<TempDir>();
    std::ofstream(folder_->path() + "/users") << options_.username << ':' << options_.password << '\n';
  }
  Start();
}

MemcachedProcess::~MemcachedProcess() { Kill(); }

void MemcachedProcess::Start() {
  const bool own_port = port_ != 0 || !options_.unix_path.empty();
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (!own_port) port_ = FreePort();  // another process may take it before memcached does: then try another
    if (Spawn() && WaitUntilItAnswers()) return;
    Kill();
  }
  throw std::runtime_error("memcached does not start (is it installed?)");
}

bool MemcachedProcess::Spawn() {
  std::vector<std::string> words = {"memcached", "-t", "1", "-U", "0"};
  if (options_.unix_path.empty()) {
    words.insert(words.end(), {"-l", options_.v6 ? "::1" : "127.0.0.1", "-p", std::to_string(port_)});
  } else {
    words.insert(words.end(), {"-s", options_.unix_path, "-a", "0777"});
  }
  if (folder_ != nullptr) words.insert(words.end(), {"-Y", folder_->path() + "/users"});
  words.insert(words.end(), options_.arguments.begin(), options_.arguments.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  pid_ = fork();
  if (pid_ != 0) return pid_ > 0;
  // Here and not by memcached's -u: changing the user later would undo the next line.
  const passwd* const nobody = geteuid() == 0 ? getpwnam("nobody") : nullptr;
  if (nobody != nullptr && (setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0)) _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int descriptor = 0; descriptor < 3; ++descriptor) dup2(null, descriptor);
  execvp(arguments[0], arguments.data());
  _exit(127);
}

bool MemcachedProcess::WaitUntilItAnswers() const {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < end) {
    if (Ask("version\r\n", "\r\n").rfind("VERSION ", 0) == 0) return waitpid(pid_, nullptr, WNOHANG) == 0;
    if (waitpid(pid_, nullptr, WNOHANG) != 0) return false;
    poll(nullptr, 0, 2);
  }
  return false;
}

void MemcachedProcess::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

void MemcachedProcess::Stop() {
  if (pid_ <= 0) return;
  kill(pid_, SIGSTOP);
  while (waitpid(pid_, nullptr, WUNTRACED) < 0 && errno == EINTR) {
  }
}

void MemcachedProcess::Continue() {
  if (pid_ > 0) kill(pid_, SIGCONT);
}

void MemcachedProcess::Restart() {
  Kill();
  Start();
}

std::string MemcachedProcess::Ask(std::string_view request, std::string_view end) const {
  const int descriptor =
      options_.unix_path.empty() ? ConnectToLoopback(port_, options_.v6) : ConnectToUnix(options_.unix_path);
  if (descriptor < 0) return "";
  if (!options_.username.empty()) {
    const std::string user = options_.username + " " + options_.password;
    Exchange(descriptor, "set u 0 0 " + std::to_string(user.size()) + "\r\n" + user + "\r\n", "\r\n");
  }
  std::string answer = Exchange(descriptor, request, end);
  close(descriptor);
  return answer;
}

std::string MemcachedProcess::Exchange(int descriptor, std::string_view request, std::string_view end) const {
  std::string answer;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!request.empty()) {
    const ssize_t sent = send(descriptor, request.data(), request.size(), MSG_NOSIGNAL);
    if (sent <= 0) break;
    request.remove_prefix(static_cast<size_t>(sent));
  }
  while (answer.size() < end.size() || answer.compare(answer.size() - end.size(), end.size(), end) != 0) {
    pollfd item{descriptor, POLLIN, 0};
    char buffer[16384];
    ssize_t size = 0;
    if (std::chrono::steady_clock::now() >= deadline ||
        (poll(&item, 1, 100) > 0 && (size = recv(descriptor, buffer, sizeof buffer, 0)) <= 0)) {
      return "";
    }
    answer.append(buffer, static_cast<size_t>(size));
  }
  return answer;
}

std::string MemcachedProcess::Get(const std::string& key) const {
  const std::string answer = Ask("get " + key + "\r\n", "END\r\n");
  const size_t start = answer.find("\r\n");
  if (start == std::string::npos || answer.rfind("VALUE ", 0) != 0) return "";
  return answer.substr(start + 2, answer.size() - start - 2 - 7);  // without "\r\nEND\r\n"
}

bool MemcachedProcess::Set(const std::string& key, const std::string& value) const {
  return Ask("set " + key + " 0 0 " + std::to_string(value.size()) + "\r\n" + value + "\r\n", "\r\n") == "STORED\r\n";
}

bool MemcachedProcess::Delete(const std::string& key) const {
  return Ask("delete " + key + "\r\n", "\r\n") == "DELETED\r\n";
}

uint64_t MemcachedProcess::Stat(const std::string& name) const {
  const std::string answer = Ask("stats\r\n", "END\r\n");
  const std::string line = "STAT " + name + " ";
  const size_t start = answer.find(line);
  return start == std::string::npos ? 0 : std::strtoull(answer.c_str() + start + line.size(), nullptr, 10);
}

}  // namespace clustered_session
