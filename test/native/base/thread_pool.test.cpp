#include "base/thread_pool.h"

#include <atomic>
#include <stdexcept>
#include <vector>

#include "base/error.h"
#include "support/harness.h"

using namespace owl3;

TEST("base: a pool runs every task once, on workers in range") {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    CHECK_EQ(pool.threads(), threads);
    for (const int64_t tasks : {0, 1, 2, 3, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
      std::atomic<bool> in_range{true};
      pool.parallel_for(tasks, [&](int64_t task, int worker) {
        runs[static_cast<size_t>(task)]++;
        if (worker < 0 || worker >= threads) in_range = false;
      });
      CHECK(in_range);
      for (const auto& r : runs) CHECK_EQ(r.load(), 1);
    }
  }
}

TEST("base: many short jobs in a row neither hang nor lose a task") {
  ThreadPool pool(4);
  std::atomic<int64_t> sum{0};
  for (int job = 0; job < 2000; job++) pool.parallel_for(job % 9, [&](int64_t task, int) { sum += task; });
  int64_t expected = 0;
  for (int job = 0; job < 2000; job++) expected += (job % 9) * (job % 9 - 1) / 2;
  CHECK_EQ(sum.load(), expected);
}

TEST("base: several callers may share a pool") {
  ThreadPool pool(3);
  std::atomic<int> sum{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; i++) {
    callers.emplace_back([&] {
      for (int job = 0; job < 200; job++) pool.parallel_for(5, [&](int64_t, int) { sum++; });
    });
  }
  for (std::thread& t : callers) t.join();
  CHECK_EQ(sum.load(), 3 * 200 * 5);
}

TEST("base: a pool rethrows what a task throws and stays usable") {
  ThreadPool pool(3);
  std::atomic<int> runs{0};
  bool thrown = false;
  try {
    pool.parallel_for(20, [&](int64_t task, int) {
      runs++;
      if (task == 11) throw Error(ErrorCode::out_of_memory, "eleven");
    });
  } catch (const Error& e) {
    thrown = e.code == ErrorCode::out_of_memory;
  }
  CHECK(thrown);
  CHECK_EQ(runs.load(), 20);
  pool.parallel_for(20, [&](int64_t, int) { runs++; });
  CHECK_EQ(runs.load(), 40);
  CHECK_THROWS(ThreadPool(-1), ErrorCode::invalid_argument);
}
