// Work on several threads; what is thrown in one is thrown to the caller.
#pragma once
#include <algorithm>
#include <exception>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"

namespace owl3::image {

/// How many threads to use when `wanted` were asked for (0: as many as the machine has, at most 16).
inline int thread_count(int wanted) {
  if (wanted > 0) return std::min(wanted, 64);
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u));
}

/// f(0) ... f(n - 1), each on a thread of its own, the first on this one. Where no thread can be started, this one does
/// the work.
template <class F>
void parallel(int n, F f) {
  std::vector<std::exception_ptr> thrown(n);
  const auto run = [&](int i) {
    try {
      f(i);
    } catch (...) {
      thrown[i] = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(n);
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

/// f(), with a failed allocation as Error{out_of_memory}.
template <class F>
auto or_out_of_memory(F f) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "not enough memory to resize a picture");
  }
}

}  // namespace owl3::image
