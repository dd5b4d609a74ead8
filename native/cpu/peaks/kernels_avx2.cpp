// The rate of int8 products in AVX2.
#include "cpu/peaks/chains.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

/// Without VNNI, 32 products take vpmaddubsw, vpmaddwd and vpaddd, the first two on the pipes that multiply. Measured on
/// Zen 3, a cycle: 30 products so; 26 where an operand has both signs (vpsignb more) or is 16 bits wide (two times
/// vpmaddwd and vpaddd). By hand: the compiler would copy operands or take the products out of the loop.
double int8_loop(int64_t n) {
  int seed = 1;
  keep(seed);
  const __m256i a = _mm256_set1_epi8(static_cast<char>(seed)), ones = _mm256_set1_epi16(1);
  return int8_chains<8>(n, seed, [&](__m256i& sum) {
    __m256i product;
    __asm__ volatile(
        "vpmaddubsw %2, %2, %1\n\t"
        "vpmaddwd %3, %1, %1\n\t"
        "vpaddd %1, %0, %0"
        : "+x"(sum), "=&x"(product)
        : "x"(a), "x"(ones));
  });
}

}  // namespace

extern double (*const peak_int8)(int64_t);
double (*const peak_int8)(int64_t) = int8_loop;

}  // namespace owl3::cpu::OWL3_ISA
