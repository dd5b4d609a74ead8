// The rate of int8 products in AVX2.
#include "cpu/peaks/keep.h"
#include "cpu/peaks/peaks.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

/// Without VNNI, 32 products take vpmaddubsw, vpmaddwd and vpaddd, the first two on the pipes that multiply. Measured on
/// Zen 3, a cycle: 30 products so; 26 where an operand has both signs (vpsignb more) or is 16 bits wide (two times
/// vpmaddwd and vpaddd). By hand: the compiler would copy operands or take the products out of the loop.
double int8_loop(int64_t n) {
  constexpr int chains = 8;
  __m256i acc[chains];
  int seed = 1;
  keep(seed);
  const __m256i a = _mm256_set1_epi8(static_cast<char>(seed)), ones = _mm256_set1_epi16(1);
#pragma GCC unroll 8
  for (int i = 0; i < chains; ++i) acc[i] = _mm256_set1_epi32(seed + i);
  for (int64_t r = 0; r < n; ++r) {
#pragma GCC unroll 8
    for (int i = 0; i < chains; ++i) {
      __m256i product;
      __asm__ volatile(
          "vpmaddubsw %2, %2, %1\n\t"
          "vpmaddwd %3, %1, %1\n\t"
          "vpaddd %1, %0, %0"
          : "+x"(acc[i]), "=&x"(product)
          : "x"(a), "x"(ones));
    }
  }
  __m256i total = acc[0];
#pragma GCC unroll 8
  for (int i = 1; i < chains; ++i) total = _mm256_add_epi32(total, acc[i]);
  keep(total);
  return static_cast<double>(n) * chains * 64;
}

}  // namespace

extern double (*const peak_int8)(int64_t);
double (*const peak_int8)(int64_t) = int8_loop;

}  // namespace owl3::cpu::OWL3_ISA
