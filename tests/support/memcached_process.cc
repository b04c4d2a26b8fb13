// Starts, stops and asks a real memcached. Layer: tests.
#include "tests/support/memcached_process.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "tests/support/binary_client.h"
#include "tests/support/free_port.h"

namespace clustered_session {

MemcachedProcess::MemcachedProcess(Options options) : options_(std::move(options)) {
  if (!options_.username.empty()) {
    folder_ = std::make_unique<TempDir>();
    WriteUsers();
  }
  Start();
}

MemcachedProcess::~MemcachedProcess() { Kill(); }

// Nothing of the system's configuration of SASL is read or changed.
void MemcachedProcess::WriteUsers() {
  const std::string& folder = folder_->path();
  if (!options_.sasl) {
    std::ofstream(folder + "/users") << options_.username << ':' << options_.password << '\n';
    return;
  }
  std::ofstream(folder + "/memcached.conf") << "mech_list: plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                                            << "sasldb_path: " << folder << "/sasldb2\n";
  char host[256] = {};
  gethostname(host, sizeof host - 1);  // memcached's realm
  const std::string command = "PATH=\"$PATH:/usr/sbin\" saslpasswd2 -p -c -f " + folder + "/sasldb2 -u " + host + " " +
                              options_.username + " >/dev/null 2>&1";
  FILE* const program = popen(command.c_str(), "we");
  const bool told = program != nullptr && fputs(options_.password.c_str(), program) >= 0;
  if (program == nullptr || pclose(program) != 0 || !told || chmod((folder + "/sasldb2").c_str(), 0644) != 0) {
    throw std::runtime_error("saslpasswd2 does not work (is sasl2-bin installed?)");
  }
}

void MemcachedProcess::Start() {
  const bool own_port = port_ != 0 || !options_.unix_path.empty();
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (!own_port && !options_.tls.empty()) tls_port_ = FreePort();
    if (!own_port) port_ = FreePort();  // another process may take it before memcached does: then try another
    if (Spawn() && WaitUntilItAnswers()) return;
    Kill();
  }
  throw std::runtime_error("memcached does not start (is it installed?)");
}

bool MemcachedProcess::Spawn() {
  std::vector<std::string> words = {"memcached", "-t", "1", "-U", "0"};
  if (!options_.tls.empty()) {
    words.insert(words.end(),
                 {"-Z", "-l", "notls:127.0.0.1:" + std::to_string(port_) + ",127.0.0.1:" + std::to_string(tls_port_)});
    for (const std::string& each : options_.tls) words.insert(words.end(), {"-o", each});
  } else if (options_.unix_path.empty()) {
    words.insert(words.end(), {"-l", options_.v6 ? "::1" : "127.0.0.1", "-p", std::to_string(port_)});
  } else {
    words.insert(words.end(), {"-s", options_.unix_path, "-a", "0777"});
  }
  if (options_.sasl) words.push_back("-S");
  if (folder_ != nullptr && !options_.sasl) words.insert(words.end(), {"-Y", folder_->path() + "/users"});
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
  if (options_.sasl) setenv("SASL_CONF_PATH", folder_->path().c_str(), 1);
  for (const auto& [name, value] : options_.environment) setenv(name.c_str(), value.c_str(), 1);
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
    const bool answers = options_.sasl ? BinaryClient(Connect(), options_.username, options_.password).usable()
                                       : Ask("version\r\n", "\r\n").rfind("VERSION ", 0) == 0;
    if (answers) return waitpid(pid_, nullptr, WNOHANG) == 0;
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

int MemcachedProcess::Connect() const {
  return options_.unix_path.empty() ? ConnectToLoopback(port_, options_.v6) : ConnectToUnix(options_.unix_path);
}

std::string MemcachedProcess::Ask(std::string_view request, std::string_view end) const {
  const int descriptor = Connect();
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
  if (options_.sasl) return BinaryClient(Connect(), options_.username, options_.password).Get(key);
  const std::string answer = Ask("get " + key + "\r\n", "END\r\n");
  const size_t start = answer.find("\r\n");
  if (start == std::string::npos || answer.rfind("VALUE ", 0) != 0) return "";
  return answer.substr(start + 2, answer.size() - start - 2 - 7);  // without "\r\nEND\r\n"
}

bool MemcachedProcess::Set(const std::string& key, const std::string& value) const {
  if (options_.sasl) return BinaryClient(Connect(), options_.username, options_.password).Set(key, value);
  return Ask("set " + key + " 0 0 " + std::to_string(value.size()) + "\r\n" + value + "\r\n", "\r\n") == "STORED\r\n";
}

bool MemcachedProcess::Delete(const std::string& key) const {
  if (options_.sasl) return BinaryClient(Connect(), options_.username, options_.password).Delete(key);
  return Ask("delete " + key + "\r\n", "\r\n") == "DELETED\r\n";
}

uint64_t MemcachedProcess::Stat(const std::string& name) const {
  if (options_.sasl) return BinaryClient(Connect(), options_.username, options_.password).Stat(name);
  const std::string answer = Ask("stats\r\n", "END\r\n");
  const std::string line = "STAT " + name + " ";
  const size_t start = answer.find(line);
  return start == std::string::npos ? 0 : std::strtoull(answer.c_str() + start + line.size(), nullptr, 10);
}

}  // namespace clustered_session
