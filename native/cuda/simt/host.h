// Kernels on the CPU: every thread of a block is a fiber of the calling thread, and fibers switch only where lanes of a
// warp or threads of a block wait for one another. Blocks run one after another.
//
// Much of what a GPU would leave undefined is an error here: lanes that meet in different lines, waiting for threads that
// never come or have returned, copies that nobody waits for, addresses of words for ldmatrix, cp.async and load_once that
// are not aligned. Shared memory begins as NaN, and with lazy copies so does what cp.async has not been waited for. A
// missing barrier shows where one of the schedules makes a difference; reads beyond memory take AddressSanitizer.
#pragma once
#include "cuda/launch.h"

namespace owl3::cuda::simt {

/// In which order the threads of a block run between the places where they wait.
enum class Schedule : uint8_t {
  ascending,   ///< in turns
  descending,  ///< in turns, from the last thread on
  first_warp,  ///< the first warp that can go on, as far as it can: the fastest
  last_warp,   ///< the last one
  random,      ///< turns and favoured warps, by Options::seed
};

struct Options {
  Schedule schedule = Schedule::first_warp;
  uint64_t seed = 1;
  /// Whether cp.async copies at once; if not, at the last moment that is allowed.
  bool eager_copies = false;
};

/// Runs a kernel of kernels/list.h. Error{internal} that names kernel, block, thread and line when a rule is broken; its
/// results are then undefined. May be called from several threads at a time.
void run(const Launch& launch, const Options& options = {});

/// Runs `thread` as a kernel: once for every thread, with launch.params. Checks and errors are those of run().
void run_as(const Launch& launch, void (*thread)(const void* params), const Options& options = {});

}  // namespace owl3::cuda::simt
