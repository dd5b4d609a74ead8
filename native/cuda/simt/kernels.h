// The kernels of kernels/list.h, compiled for the CPU. Private to this folder.
#pragma once
#include <cstddef>
#include <span>

namespace owl3::cuda::simt {

struct Kernel {
  const char* name;
  size_t params_size;
  void (*run)(const void* params);  ///< one thread of it
};
std::span<const Kernel> kernels();

}  // namespace owl3::cuda::simt
