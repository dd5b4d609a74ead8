// Kernels of the matrix products.
#pragma once
#include <cstdint>

namespace owl3 {

struct LinearKernels {
  /// sum of a[i] * b[i]
  float (*dot)(const float* a, const float* b, int64_t n);
};

const LinearKernels& linear_kernels_scalar();

}  // namespace owl3
