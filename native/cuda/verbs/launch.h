// Launching a kernel with its typed parameter.
#pragma once
#include "cuda/kernels/params.h"
#include "cuda/launch.h"

namespace owl3::cuda {

/// Launches `kernel` over `grid` blocks of `threads`; nothing when the grid is empty.
template <class Params>
void launch(Launcher& launcher, const char* kernel, Dim grid, uint32_t threads, const Params& params,
            uint32_t shared_bytes = 0) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  launcher.launch({kernel, grid, {threads}, shared_bytes, &params, sizeof params});
}

}  // namespace owl3::cuda
