// A web server of threads, for tests: runs PHP code in several threads of one process, each request from its startup to
// its shutdown in one of them. scripts/test-zts compiles it against a PHP with --enable-zts --enable-embed=static, and
// php_tests/zts_*.phpt run it:
//   zts_threads [-d NAME=VALUE]... REQUESTS CODE [REQUESTS CODE]...
// Each pair is a thread, which begins with the others and runs CODE as REQUESTS requests. What they print is printed in
// the order of the pairs, when all have ended. CODE finds beside PHP's functions:
//   shared_add(string $name, int $by): int        adds to a number that all threads see, and returns the sum
//   shared_await(string $name, int $least): bool  waits until that number is at least this; false: in vain
//   die_as_thread()                               ends the thread in the middle of its request, with all it holds
// The number `ended` counts the threads that have ended and whose interpreters are freed.
extern "C" {
#include "php.h"
// After php.h, which these need.
#include "SAPI.h"
#include "php_main.h"
}

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#ifndef ZTS
#error "needs a thread-safe PHP"
#endif

#ifdef __SANITIZE_THREAD__
// PHP loads extensions in a way that this sanitizer refuses.
#include <dlfcn.h>
extern "C" void* __interceptor_dlopen(const char*, int);
extern "C" void* dlopen(const char* file, int mode) noexcept {
  return __interceptor_dlopen(file, mode & ~RTLD_DEEPBIND);
}
#endif

namespace {

constexpr auto kPatience = std::chrono::seconds(60);

// The numbers that all threads see.
std::mutex shared_mutex;
std::condition_variable shared_changed;
std::map<std::string, long> shared_numbers;

long SharedAdd(const std::string& name, long by) {
  const std::lock_guard lock(shared_mutex);
  const long sum = shared_numbers[name] += by;
  shared_changed.notify_all();
  return sum;
}

bool SharedAwait(const std::string& name, long least) {
  std::unique_lock lock(shared_mutex);
  return shared_changed.wait_for(lock, kPatience, [&] { return shared_numbers[name] >= least; });
}

struct Thread {
  int requests = 0;
  const char* code = nullptr;
  std::string output;
  pthread_t id{};
};

thread_local Thread* this_thread = nullptr;
std::atomic<bool> somebody_died{false};

// -- What PHP code calls ----------------------------------------------------------------------------------------------
ZEND_BEGIN_ARG_INFO_EX(arginfo_shared, 0, 0, 2)
ZEND_ARG_INFO(0, name)
ZEND_ARG_INFO(0, number)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_INFO_EX(arginfo_none, 0, 0, 0)
ZEND_END_ARG_INFO()

ZEND_FUNCTION(shared_add) {
  char* name = nullptr;
  size_t size = 0;
  zend_long by = 0;
  if (zend_parse_parameters(ZEND_NUM_ARGS(), "sl", &name, &size, &by) == FAILURE) return;
  RETURN_LONG(SharedAdd(name, by));
}

ZEND_FUNCTION(shared_await) {
  char* name = nullptr;
  size_t size = 0;
  zend_long least = 0;
  if (zend_parse_parameters(ZEND_NUM_ARGS(), "sl", &name, &size, &least) == FAILURE) return;
  RETURN_BOOL(SharedAwait(name, least));
}

// The kernel ends this thread alone, as a crash would end a process: nothing of it is unwound or freed.
ZEND_FUNCTION(die_as_thread) {
  (void)execute_data;
  (void)return_value;
  somebody_died = true;
  syscall(SYS_exit, 0);
}

const zend_function_entry functions[] = {ZEND_FE(shared_add, arginfo_shared) ZEND_FE(shared_await, arginfo_shared)
                                             ZEND_FE(die_as_thread, arginfo_none) ZEND_FE_END};

// -- The server ------------------------------------------------------------------------------------------------------
int Startup(sapi_module_struct* module) { return php_module_startup(module, nullptr); }

size_t Write(const char* text, size_t size) {
  if (this_thread != nullptr)
    this_thread->output.append(text, size);
  else
    fwrite(text, 1, size, stdout);
  return size;
}

int SendHeaders(sapi_headers_struct*) { return SAPI_HEADER_SENT_SUCCESSFULLY; }
char* ReadCookies() { return nullptr; }
void Log(const char* message, int) { fprintf(stderr, "%s\n", message); }

sapi_module_struct TheServer() {
  sapi_module_struct server = {};
  server.name = const_cast<char*>("zts_threads");
  server.pretty_name = const_cast<char*>("Threads of a test");
  server.startup = Startup;
  server.shutdown = php_module_shutdown_wrapper;
  server.ub_write = Write;
  server.sapi_error = zend_error;
  server.send_headers = SendHeaders;
  server.read_cookies = ReadCookies;
  server.log_message = Log;
  server.phpinfo_as_text = 1;
  server.php_ini_ignore = 1;
  server.additional_functions = functions;
  return server;
}

// No C++ object on the stack: the engine leaves by longjmp.
bool RunRequest(const char* code) {
  if (php_request_startup() == FAILURE) return false;
  PG(during_request_startup) = 0;
  zend_try { zend_eval_string_ex(code, nullptr, "thread", true); }
  zend_end_try();
  php_request_shutdown(nullptr);
  return true;
}

void* RunThread(void* argument) {
  this_thread = static_cast<Thread*>(argument);
  (void)ts_resource(0);
  for (int i = 0; i < this_thread->requests; ++i) {
    if (!RunRequest(this_thread->code)) this_thread->output += "the request did not start\n";
  }
  ts_free_thread();
  SharedAdd("ended", 1);
  return nullptr;
}

void RunAll(std::vector<std::unique_ptr<Thread>>* threads) {
  for (auto& thread : *threads) {
    if (pthread_create(&thread->id, nullptr, RunThread, thread.get()) != 0) abort();
  }
  for (auto& thread : *threads) pthread_join(thread->id, nullptr);
  for (auto& thread : *threads) fwrite(thread->output.data(), 1, thread->output.size(), stdout);
}

// The options of php that run-tests.php passes: -d name=value, -n.
std::string TakeOptions(int argc, char** argv, int* next) {
  std::string ini = "html_errors=0\nimplicit_flush=0\nmax_execution_time=0\nmax_input_time=-1\n";
  for (*next = 1; *next < argc && argv[*next][0] == '-'; ++*next) {
    const std::string option = argv[*next];
    if (option != "-d" || *next + 1 == argc) continue;
    const std::string setting = argv[++*next];
    const size_t equals = setting.find('=');
    const std::string value = equals == std::string::npos ? "1" : setting.substr(equals + 1);
    const bool quoted = !value.empty() && value.front() == '"';
    ini += setting.substr(0, equals) + "=" + (quoted ? value : '"' + value + '"') + "\n";
  }
  // Sessions send cookies: what a thread prints waits for its end.
  return ini + "output_buffering=1000000\n";
}

}  // namespace

int main(int argc, char** argv) {
  int next = 0;
  std::string ini = TakeOptions(argc, argv, &next);
  std::vector<std::unique_ptr<Thread>> threads;
  for (; next + 1 < argc; next += 2) {
    threads.push_back(std::make_unique<Thread>());
    threads.back()->requests = atoi(argv[next]);
    threads.back()->code = argv[next + 1];
  }
  if (threads.empty() || next != argc) {
    fprintf(stderr, "usage: zts_threads [-d NAME=VALUE]... REQUESTS CODE [REQUESTS CODE]...\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  sapi_module_struct server = TheServer();
  php_tsrm_startup();
  zend_signal_startup();
  sapi_startup(&server);
  server.ini_entries = ini.data();
  if (server.startup(&server) == FAILURE) return 1;
  RunAll(&threads);
  // The interpreter of a dead thread cannot be freed.
  if (somebody_died) {
    fflush(stdout);
    _exit(0);
  }
  php_module_shutdown();
  sapi_shutdown();
  tsrm_shutdown();
  return 0;
}
