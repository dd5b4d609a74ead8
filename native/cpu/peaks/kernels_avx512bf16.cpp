#ifdef __AVX512BF16__
#define OWL3_LANES avx512bf16
#define OWL3_LANES_AVX512
#include "cpu/peaks/avx512.h"

namespace owl3::avx512bf16 {
namespace {

double bf16_loop(int64_t n) {
  constexpr int chains = 24;
  __m512 acc[chains];
  float seed = 1.0f;
  keep(seed);
  const __m512 one = _mm512_set1_ps(seed);
  const __m512bh a = _mm512_cvtne2ps_pbh(one, one), b = _mm512_cvtne2ps_pbh(one, _mm512_set1_ps(seed * 0.5f));
#pragma GCC unroll 24
  for (int i = 0; i < chains; ++i) acc[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int64_t r = 0; r < n; ++r) {
#pragma GCC unroll 24
    for (int i = 0; i < chains; ++i) acc[i] = _mm512_dpbf16_ps(acc[i], a, b);
  }
  __m512 total = acc[0];
#pragma GCC unroll 24
  for (int i = 1; i < chains; ++i) total = _mm512_add_ps(total, acc[i]);
  keep(total);
  return static_cast<double>(n) * chains * 64;
}

}  // namespace

extern const peaks::Loops peak_loops;
const peaks::Loops peak_loops{int8_loop, bf16_loop, fp32_loop, read_loop};

}  // namespace owl3::avx512bf16
#endif
