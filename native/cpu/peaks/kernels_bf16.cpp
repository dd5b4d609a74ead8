// The rate of vdpbf16ps.
#include "cpu/peaks/keep.h"
#include "cpu/peaks/peaks.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
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

extern double (*const peak_bf16)(int64_t);
double (*const peak_bf16)(int64_t) = bf16_loop;

}  // namespace owl3::cpu::OWL3_ISA
