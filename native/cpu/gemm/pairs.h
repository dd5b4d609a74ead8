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

/// Four columns of eight outputs as pairs of 16 bits: columns 0 and 2, columns 1 and 3.
struct QuadPairs {
  __m256i even, odd;
};
inline QuadPairs signed_pairs(__m256i bytes) {
  return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
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
