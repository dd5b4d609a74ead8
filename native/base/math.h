// Arithmetic that several rooms need.
#pragma once
#include <cstdint>

namespace owl3 {

// `static`: kernels of each instruction set include this (see cpu/simd/simd.h).

/// The least multiple of `to` that is not below n; n >= 0, to > 0.
static constexpr int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}
/// n / to rounded up; n >= 0, to > 0.
static constexpr int64_t divide_up(int64_t n, int64_t to) {
  return (n + to - 1) / to;
}

}  // namespace owl3
