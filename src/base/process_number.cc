// Counts forks, see process_number.h. Layer: base.
#include "src/base/process_number.h"

#include <pthread.h>

#include <atomic>

namespace clustered_session {
namespace {

std::atomic<uint64_t> forks{0};
// When the program or module is loaded, not at the first use: a fork() before that would not be counted.
[[maybe_unused]] const int watched =
    pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });

}  // namespace

uint64_t ProcessNumber() { return forks.load(std::memory_order_relaxed); }

}  // namespace clustered_session
