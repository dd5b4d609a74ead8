// Short-lived parallel work for the rooms that have no thread pool (cpu's kernels have one).
#pragma once
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace owl3 {

/// Runs f(0) ... f(n - 1), each on a thread of its own and f(0) on this one. Where no more threads can be started, this
/// one runs the rest. When all are done it throws what the first that failed threw.
template <class F>
void parallel(int n, F f) {
  std::vector<std::exception_ptr> thrown(static_cast<size_t>(n));
  const auto run = [&](int i) {
    try {
      f(i);
    } catch (...) {
      thrown[static_cast<size_t>(i)] = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(n));
  int started = 1;
  try {
    for (; started < n; started++) threads.emplace_back(run, started);
  } catch (const std::system_error&) {
  }
  run(0);
  for (int i = started; i < n; i++) run(i);
  for (std::thread& t : threads) t.join();
  for (const std::exception_ptr& e : thrown)
    if (e) std::rethrow_exception(e);
}

}  // namespace owl3
