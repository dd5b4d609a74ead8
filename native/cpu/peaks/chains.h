// Loops of integer products in AVX2's registers.
#pragma once
#include "cpu/peaks/keep.h"
#include "cpu/peaks/peaks.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

/// n rounds of `step(sum)`, which adds the products of 32 bytes, on Chains (at most 12) independent sums. Returns the
/// operations: a product and its addition are two.
template <int Chains, class Step>
inline double int8_chains(int64_t n, int seed, Step step) {
  __m256i sums[Chains];
#pragma GCC unroll 12
  for (int i = 0; i < Chains; ++i) sums[i] = _mm256_set1_epi32(seed + i);
  for (int64_t r = 0; r < n; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < Chains; ++i) step(sums[i]);
  }
  __m256i total = sums[0];
#pragma GCC unroll 12
  for (int i = 1; i < Chains; ++i) total = _mm256_add_epi32(total, sums[i]);
  keep(total);
  return static_cast<double>(n) * Chains * 64;
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
