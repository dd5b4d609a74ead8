// The rate of vpdpbusd on AVX2's registers.
#include "cpu/peaks/keep.h"
#include "cpu/peaks/peaks.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

double int8_loop(int64_t n) {
  constexpr int chains = 12;
  __m256i acc[chains];
  int seed = 1;
  keep(seed);
  const __m256i a = _mm256_set1_epi8(static_cast<char>(seed)), b = _mm256_set1_epi8(static_cast<char>(seed + 1));
#pragma GCC unroll 12
  for (int i = 0; i < chains; ++i) acc[i] = _mm256_set1_epi32(seed + i);
  for (int64_t r = 0; r < n; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i) acc[i] = dot_quad(acc[i], a, b);
  }
  __m256i total = acc[0];
#pragma GCC unroll 12
  for (int i = 1; i < chains; ++i) total = _mm256_add_epi32(total, acc[i]);
  keep(total);
  return static_cast<double>(n) * chains * 64;
}

}  // namespace

extern double (*const peak_int8)(int64_t);
double (*const peak_int8)(int64_t) = int8_loop;

}  // namespace owl3::cpu::OWL3_ISA
