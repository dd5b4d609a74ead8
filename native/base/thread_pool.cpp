#include "base/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <set>
#include <string>
#include <system_error>
#ifdef __linux__
#include <sched.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

#include "base/error.h"

namespace owl3 {
namespace {

void relax() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ __volatile__("yield");
#endif
}

/// Waits until `value` differs from `old`: spins for up to ~50 us, then sleeps.
template <class T>
T wait_change(std::atomic<T>& value, T old) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point until = Clock::now() + std::chrono::microseconds(50);
  do {
    for (int i = 0; i < 16; i++) {
      const T now = value.load(std::memory_order_acquire);
      if (now != old) return now;
      relax();
    }
  } while (Clock::now() < until);
  T now = old;
  while ((now = value.load(std::memory_order_acquire)) == old) value.wait(old, std::memory_order_acquire);
  return now;
}

/// CPU time this cgroup may use, in cores, or 0 when it is not limited.
double cgroup_cores() {
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (v2 >> quota >> period && quota != "max" && period > 0) return std::atof(quota.c_str()) / period;
  std::ifstream v1_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double q = 0;
  if (v1_quota >> q && v1_period >> period && q > 0 && period > 0) return q / period;
  return 0;
}

}  // namespace

int physical_cores() {
  int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
#ifdef __linux__
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    std::set<std::string> siblings;  // one entry a core: the list of its hyper-threads
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
      if (!CPU_ISSET(cpu, &allowed)) continue;
      std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
      std::string list;
      siblings.insert(file >> list ? list : "cpu" + std::to_string(cpu));
    }
    if (!siblings.empty()) cores = static_cast<int>(siblings.size());
  }
#endif
  const double quota = cgroup_cores();
  if (quota > 0) cores = std::min(cores, std::max(1, static_cast<int>(std::ceil(quota))));
  return cores;
}

ThreadPool::ThreadPool(int threads) {
  if (threads < 0 || threads > 1024) throw Error(ErrorCode::invalid_argument, "threads must be between 0 and 1024");
  const int wanted = threads == 0 ? physical_cores() : threads;
  shares_ = std::make_unique<Share[]>(static_cast<size_t>(wanted));
  workers_.reserve(static_cast<size_t>(wanted - 1));
  try {
    for (int i = 1; i < wanted; i++) workers_.emplace_back([this, i] { worker_loop(i); });
  } catch (const std::system_error&) {
    // A limit on threads: fewer give the same results.
  }
  slots_ = workers_.size() + 1;
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread& t : workers_) t.join();
}

void ThreadPool::parallel_for(int64_t tasks, FunctionRef<void(int64_t, int)> body) {
  if (tasks <= 0) return;
  const std::lock_guard lock(callers_);
  if (slots_ == 1 || tasks == 1) {
    for (int64_t t = 0; t < tasks; t++) body(t, 0);
    return;
  }
  const int64_t slots = static_cast<int64_t>(slots_);
  for (int64_t i = 0; i < slots; i++) {
    shares_[i].next.store(tasks * i / slots, std::memory_order_relaxed);
    shares_[i].end = tasks * (i + 1) / slots;
  }
  body_ = &body;
  helpers_.store(0, std::memory_order_release);  // opens the job
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();

  take_tasks(0);

  // Every task is taken; those who took one are counted in helpers_. A thread that wakes up only now finds the job
  // closed.
  int32_t inside = 0;
  while (!helpers_.compare_exchange_strong(inside, -1, std::memory_order_acq_rel)) {
    if (inside > 0) wait_change(helpers_, inside);
    inside = 0;
  }
  body_ = nullptr;
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::worker_loop(int worker) {
  uint32_t seen = 0;
  while (true) {
    seen = wait_change(epoch_, seen);
    if (stop_.load(std::memory_order_acquire)) return;
    int32_t inside = helpers_.load(std::memory_order_acquire);
    while (inside >= 0 && !helpers_.compare_exchange_weak(inside, inside + 1, std::memory_order_acq_rel)) {
    }
    if (inside < 0) continue;
    take_tasks(worker);
    helpers_.fetch_sub(1, std::memory_order_acq_rel);
    helpers_.notify_one();
  }
}

void ThreadPool::take_tasks(int worker) {
  const int64_t slots = static_cast<int64_t>(slots_);
  for (int64_t i = 0; i < slots; i++) {
    Share& share = shares_[(worker + i) % slots];
    while (share.next.load(std::memory_order_relaxed) < share.end) {
      const int64_t task = share.next.fetch_add(1, std::memory_order_relaxed);
      if (task >= share.end) break;
      try {
        (*body_)(task, worker);
      } catch (...) {
        const std::lock_guard lock(failure_mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
    }
  }
}

}  // namespace owl3
