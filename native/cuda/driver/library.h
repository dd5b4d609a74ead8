// The driver library of the machine.
#pragma once
#include "cuda/driver/api.h"

namespace owl3::cuda::driver {

/// Loads libcuda.so.1 (nvcuda.dll on Windows), which comes with NVIDIA's driver, and looks up every function; once, and
/// it stays loaded. Error{unsupported} with the reason.
const Api& load_library();

}  // namespace owl3::cuda::driver
