#include "cuda/simt/host.h"

#include <cstring>
#include <string>

#include "base/error.h"
#include "cuda/simt/fiber.h"
#include "cuda/simt/kernels.h"

namespace owl3::cuda::simt {
namespace {

[[noreturn]] void refuse(const Launch& launch, const std::string& what) {
  throw Error(ErrorCode::internal, std::string("kernel ") + launch.kernel + ": " + what);
}

const Kernel& find(const Launch& launch) {
  for (const Kernel& k : kernels())
    if (std::strcmp(k.name, launch.kernel) == 0) return k;
  refuse(launch, "there is no such kernel");
}

}  // namespace

void run(const Launch& launch, const Options& options) {
  const Kernel& kernel = find(launch);
  if (launch.params_size != kernel.params_size) refuse(launch, "its parameter has another size");
  run_as(launch, kernel.run, options);
}

void run_as(const Launch& launch, void (*thread)(const void* params), const Options& options) {
  const Dim grid = launch.grid;
  if (launch.block.y != 1 || launch.block.z != 1 || launch.block.x == 0 || launch.block.x > 1024 ||
      launch.block.x % warp_lanes != 0)
    refuse(launch, "a block is a number of whole warps, at most 32 of them");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535)
    refuse(launch, "the grid is empty or too large");
  if (launch.shared_bytes > max_shared_bytes) refuse(launch, "more than 48 KiB of shared memory");
  Block block;
  block.grid = grid;
  block.size = launch.block;
  block.kernel = launch.kernel;
  block.body = thread;
  block.params = launch.params;
  block.options = options;
  prepare(block, launch.block.x);
  for (uint32_t z = 0; z < grid.z; z++)
    for (uint32_t y = 0; y < grid.y; y++)
      for (uint32_t x = 0; x < grid.x; x++) {
        block.index = {x, y, z};
        // A new one for each block, so that AddressSanitizer guards its ends; NaN in every format.
        block.shared.reset(new unsigned char[launch.shared_bytes]);
        std::memset(block.shared.get(), 0xff, launch.shared_bytes);
        run_block(block);
      }
}

}  // namespace owl3::cuda::simt
