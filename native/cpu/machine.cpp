#include "ops/machine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#endif

#include "base/isa.h"
#include "base/thread_pool.h"
#include "cpu/dispatch.h"
#include "cpu/workspace.h"

namespace owl3 {
namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

uint64_t total_memory() {
  uint64_t bytes = 0;
#if defined(_WIN32)
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof status;
  if (GlobalMemoryStatusEx(&status)) bytes = status.ullTotalPhys;
#elif defined(_SC_PHYS_PAGES) && defined(_SC_PAGESIZE)
  bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
#endif
  std::ifstream limit("/sys/fs/cgroup/memory.max");  // "max" or a number
  uint64_t group;
  if (limit >> group && group < bytes) bytes = group;
  return bytes;
}

/// Best rate of a loop on all threads at once, in 10^9 operations a second.
double peak(double (*loop)(int64_t), ThreadPool& pool) {
  if (!loop) return 0;
  int64_t rounds = 1000;
  for (double seconds = 0; seconds < 2e-3; rounds *= 2) {  // long enough for the clock
    const Clock::time_point start = Clock::now();
    loop(rounds);
    seconds = since(start);
  }
  double best = 0;
  for (int run = 0; run < 60; run++) {  // a quarter of a second: some of it undisturbed on a busy machine
    std::atomic<int64_t> operations{0};
    const Clock::time_point start = Clock::now();
    pool.parallel_for(pool.threads(), [&](int64_t, int) { operations += static_cast<int64_t>(loop(rounds)); });
    best = std::max(best, static_cast<double>(operations) / since(start) * 1e-9);
  }
  return best;
}

}  // namespace

ops::MachineInfo ops::machine_info() {
  ops::MachineInfo m;
  for (Isa isa : all_isas) {
    if (isa_available(isa)) m.available.push_back(isa_name(isa));
  }
  m.isa = isa_name(choose_isa());
  m.physical_cores = physical_cores();
  m.total_memory = total_memory();
  return m;
}

ops::MachinePeaks ops::measure_peaks(int threads) {
  ThreadPool pool(threads);
  const cpu::peaks::Loops loops = cpu::kernels_of(choose_isa()).peaks;
  return {peak(loops.int8, pool), peak(loops.bf16, pool), peak(loops.fp32, pool)};
}

double ops::measure_bandwidth(int threads, double seconds) {
  constexpr int64_t bytes = int64_t{1} << 30, piece = int64_t{1} << 20;  // beyond the largest caches
  ThreadPool pool(threads);
  const std::shared_ptr<void> memory = cpu::aligned_memory(static_cast<size_t>(bytes));
  char* base = static_cast<char*>(memory.get());
  pool.parallel_for(bytes / piece, [&](int64_t i, int) { memset(base + i * piece, 1, static_cast<size_t>(piece)); });
  const cpu::peaks::Loops loops = cpu::kernels_of(choose_isa()).peaks;
  std::atomic<uint64_t> sum{0};
  double best = 0;
  int passes = 0;
  for (const Clock::time_point begin = Clock::now(); passes < 3 || since(begin) < seconds; passes++) {
    const Clock::time_point start = Clock::now();
    pool.parallel_for(bytes / piece, [&](int64_t i, int) { sum += loops.read(base + i * piece, piece); });
    best = std::max(best, static_cast<double>(bytes) / since(start) * 1e-9);
  }
  return best;
}

}  // namespace owl3
