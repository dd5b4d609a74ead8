// What the vision kernels of AVX-512 and AMX share: parts of rows, turns of 16 x 16, floats to pairs of bfloat16.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace owl3::OWL3_LANES {
namespace {

inline __m512 load_part(const float* p, int32_t n) {
  return _mm512_maskz_loadu_ps(n >= 16  ? __mmask16(0xffff)
                               : n <= 0 ? __mmask16(0)
                                        : static_cast<__mmask16>((1u << n) - 1),
                               p);
}

/// 16 x 16 of 32 bits, turned in place.
inline void transpose(__m512i x[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {  // x[i + j]: column j of each 128-bit part, rows i to i + 3
    x[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i a = _mm512_shuffle_i32x4(x[j], x[4 + j], 0x88), b = _mm512_shuffle_i32x4(x[j], x[4 + j], 0xdd);
    const __m512i c = _mm512_shuffle_i32x4(x[8 + j], x[12 + j], 0x88),
                  d = _mm512_shuffle_i32x4(x[8 + j], x[12 + j], 0xdd);
    t[j] = _mm512_shuffle_i32x4(a, c, 0x88);
    t[8 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
    t[4 + j] = _mm512_shuffle_i32x4(b, d, 0x88);
    t[12 + j] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) x[i] = t[i];
}

#ifdef __AVX512BF16__
inline __m256i to_bf16(__m512 x) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
}
inline __m512 from_bf16(__m256i x) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

/// 32 values as pairs of neighbours.
inline __m512i pair_bf16(__m512 x0, __m512 x1) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(x1, x0));
}
/// Sixteen pairs of a value of `even` and one of `odd`.
inline __m512i pairs(__m256i even, __m256i odd) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(even), _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
}
#endif

}  // namespace
}  // namespace owl3::OWL3_LANES
