// Sums of products of pairs of int16.
#pragma once
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

/// The pair at p in every lane.
inline __m256i broadcast_pair(const int16_t* p) {
  int32_t pair;
  __builtin_memcpy(&pair, p, 4);
  return _mm256_set1_epi32(pair);
}

/// sum += a's pairs times b's. By hand: GCC 12 would add products to each other first, and spill them for want of
/// registers.
inline void add_products(__m256i& sum, __m256i a, __m256i b) {
  __m256i product;
  __asm__(
      "vpmaddwd %3, %2, %1\n\t"
      "vpaddd %1, %0, %0"
      : "+x"(sum), "=x"(product)  // which may take the place of a or b
      : "x"(a), "x"(b));
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
