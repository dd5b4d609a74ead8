#include "gguf/posix/mapping_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>

#include "base/math.h"

namespace owl3::gguf {
namespace {

/// One mapping. Guards are never freed, only used again, so that the handler may walk the list at any time.
struct Guard {
  std::atomic<const char*> base = nullptr;
  std::atomic<uint64_t> size = 0;  ///< whole pages
  std::atomic<bool> damaged = false;
  Guard* next = nullptr;
};

std::atomic<Guard*> guards = nullptr;
std::mutex mutex;  // held to change the list, never in the handler
struct sigaction before;

/// Everything in here may run in a signal handler.
bool replace_by_zeros(const char* address) {
  for (Guard* g = guards.load(std::memory_order_acquire); g != nullptr; g = g->next) {
    const char* base = g->base.load(std::memory_order_acquire);
    const uint64_t size = g->size.load(std::memory_order_acquire);
    if (base == nullptr || address < base || address >= base + size) continue;
    g->damaged = true;
    // The whole of it in one call: page by page, the system's limit on the number of mappings could be reached.
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    return ::mmap(const_cast<char*>(base), size, PROT_READ, flags, -1, 0) != MAP_FAILED;
  }
  return false;
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const bool ours = replace_by_zeros(static_cast<const char*>(info->si_addr));
  errno = error;
  if (ours) return;
  if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(signal, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(signal);
  ::signal(signal, SIG_DFL);  // the read is tried again, and ends the process as it would have without us
}

void install() {
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &before);
}

Guard* find(const char* base) {
  for (Guard* g = guards; g != nullptr; g = g->next)
    if (g->base == base) return g;
  return nullptr;
}

}  // namespace

void guard(const Mapping& m) {
  static std::once_flag installed;
  std::call_once(installed, install);
  const std::lock_guard lock(mutex);
  Guard* g = find(nullptr);
  const bool fresh = g == nullptr;
  if (fresh) g = new Guard;
  g->damaged = false;
  g->size = static_cast<uint64_t>(round_up(static_cast<int64_t>(m.size), ::sysconf(_SC_PAGESIZE)));
  g->base.store(m.base, std::memory_order_release);
  if (!fresh) return;
  g->next = guards;
  guards.store(g, std::memory_order_release);
}

void unguard(const Mapping& m) {
  const std::lock_guard lock(mutex);
  if (Guard* g = find(m.base)) g->base = nullptr;
}

bool damaged(const Mapping& m) {
  const std::lock_guard lock(mutex);
  const Guard* g = m.base == nullptr ? nullptr : find(m.base);
  return g != nullptr && g->damaged;
}

}  // namespace owl3::gguf
