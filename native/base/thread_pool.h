// Persistent threads that share out numbered tasks. Idle threads spin for some tens of microseconds (an operation
// follows the last one closely during a step) and then sleep in the kernel: a model that waits for its user takes no
// CPU time.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/function_ref.h"

namespace owl3 {

/// Cores this process may use, hyper-threads of one core counted once, cgroup quota and affinity respected. At least 1.
int physical_cores();

class ThreadPool {
 public:
  /// `threads` in all, the caller of parallel_for included; 0: physical_cores(). Error{invalid_argument} outside [0,
  /// 1024]; when the system refuses a thread the pool makes do with those it has.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(slots_); }

  /// Calls body(task, worker) once for every task in [0, tasks), worker in [0, threads()), and returns when all are
  /// done. Each worker starts in its own contiguous share (so that memory first touched by one pass stays near the same
  /// core in the next) and then takes tasks from the others' shares. The first exception of a body is rethrown here
  /// after the rest has finished. Calls from several threads queue up; a body must not call it.
  void parallel_for(int64_t tasks, FunctionRef<void(int64_t task, int worker)> body);

 private:
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  void worker_loop(int worker);
  void take_tasks(int worker);

  size_t slots_ = 1;
  std::unique_ptr<Share[]> shares_;
  std::vector<std::thread> workers_;
  std::mutex callers_;

  const FunctionRef<void(int64_t, int)>* body_ = nullptr;
  std::exception_ptr failure_;
  std::mutex failure_mutex_;
  alignas(64) std::atomic<uint32_t> epoch_{0};    // +1 for every job and at the end
  alignas(64) std::atomic<int32_t> helpers_{-1};  // workers inside the open job; -1: no job is open
  std::atomic<bool> stop_{false};
};

}  // namespace owl3
