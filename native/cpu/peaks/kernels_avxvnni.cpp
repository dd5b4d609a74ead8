// The rate of vpdpbusd on AVX2's registers.
#include "cpu/peaks/chains.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

double int8_loop(int64_t n) {
  int seed = 1;
  keep(seed);
  const __m256i a = _mm256_set1_epi8(static_cast<char>(seed)), b = _mm256_set1_epi8(static_cast<char>(seed + 1));
  return int8_chains<12>(n, seed, [&](__m256i& sum) { sum = dot_quad(sum, a, b); });
}

}  // namespace

extern double (*const peak_int8)(int64_t);
double (*const peak_int8)(int64_t) = int8_loop;

}  // namespace owl3::cpu::OWL3_ISA
