#if defined(__x86_64__)
#define OWL3_LANES avx512
#define OWL3_LANES_AVX512
#include "cpu/peaks_body.h"

namespace owl3::avx512 {
namespace {

double int8_loop(int64_t n) {
  constexpr int chains = 24;
  __m512i acc[chains];
  int seed = 1;
  keep(seed);
  const __m512i a = _mm512_set1_epi8(static_cast<char>(seed)), b = _mm512_set1_epi8(static_cast<char>(seed + 1));
#pragma GCC unroll 24
  for (int i = 0; i < chains; ++i) acc[i] = _mm512_set1_epi32(seed + i);
  for (int64_t r = 0; r < n; ++r) {
#pragma GCC unroll 24
    for (int i = 0; i < chains; ++i) acc[i] = _mm512_dpbusd_epi32(acc[i], a, b);
  }
  __m512i total = acc[0];
#pragma GCC unroll 24
  for (int i = 1; i < chains; ++i) total = _mm512_add_epi32(total, acc[i]);
  keep(total);
  return static_cast<double>(n) * chains * 128;
}

__attribute__((target("avx512bf16"))) double bf16_loop(int64_t n) {
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

}  // namespace owl3::avx512
#endif
