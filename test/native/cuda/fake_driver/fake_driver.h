// A CUDA driver without a GPU: the functions of cuda/driver/api.h over kernels that simt::run runs on the CPU.
//
// It is as unhelpful as a device may be. Work is done when somebody waits for it and not before, so host memory that is
// used too early or given back too early is found. Device memory lies at addresses that the host can't touch, is never
// given out twice and begins as NaN; between blocks lie pages that nobody may touch. Host memory that is copied must be
// pinned, and every call needs a context. A recording refuses allocations, waiting and copies.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "cuda/driver/api.h"

namespace owl3::test::fake_driver {

/// The driver plays this. Counters count down; negative: never.
struct Play {
  int version = 13000;
  int devices = 1;
  int capability = 90;
  size_t memory = size_t{4} << 30;         ///< bytes a device
  size_t graph_kernel = size_t{68} << 10;  ///< bytes of its memory that a kernel of a graph takes
  bool starts = true;
  bool fits = true;               ///< whether the module has code for the device
  int64_t allocation_fails = -1;  ///< the how manieth allocation from now on finds no memory
  int64_t kernel_fails = -1;      ///< the how manieth kernel from now on ends its device
  int64_t copy_fails = -1;        ///< the how manieth copy to a device from now on is refused
  int64_t wait_fails = -1;        ///< the how manieth wait for an event from now on is refused
};

/// Begins anew, with devices that nothing was done with. Nobody may hold anything of the devices before.
void begin(const Play& play = {});
/// The play as it stands, to be changed.
Play& play();
/// A play written as "devices=2,memory=64000000,version=12040". Error{invalid_argument}.
Play parse_play(const std::string& text);

struct Counts {
  int64_t allocations = 0, kernels = 0, recordings = 0, replays = 0, waits = 0;
  int64_t live_graphs = 0;
  size_t bytes = 0, peak_bytes = 0;              ///< device memory in use, all devices together
  size_t graph_bytes = 0, peak_graph_bytes = 0;  ///< that of graphs among it
};
Counts counts();
/// Bytes in use on one device, and at most.
Counts counts_of(int device);
/// Pieces of work that are enqueued on any stream and not done.
int64_t pending();

const cuda::driver::Api& api();

}  // namespace owl3::test::fake_driver
