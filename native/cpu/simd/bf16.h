// Conversions between float and bfloat16 in AVX-512 registers. Included only where AVX512-BF16 is compiled for.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace owl3::cpu::OWL3_ISA {
namespace {

/// Rounds to nearest even.
inline __m256i to_bf16(__m512 x) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
}
inline __m512 from_bf16(__m256i x) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

/// 32 values, one after the other.
inline __m512i pair_bf16(__m512 x0, __m512 x1) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(x1, x0));
}
/// Sixteen pairs of a value of `even` and one of `odd`.
inline __m512i pairs(__m256i even, __m256i odd) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(even), _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
}

/// x as bfloat16 and, with Split, what that rounding dropped.
template <bool Split>
inline void store_bf16(__m512 x, uint16_t* high, uint16_t* low) {
  const __m256i h = to_bf16(x);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(high), h);
  if constexpr (Split) _mm256_storeu_si256(reinterpret_cast<__m256i*>(low), to_bf16(_mm512_sub_ps(x, from_bf16(h))));
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
