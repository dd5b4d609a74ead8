// Parts of rows and 16 x 16 transposes in AVX-512 registers, for packing keys and values.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace owl3::cpu::OWL3_ISA {
namespace {

/// p[0, n) and zeros behind it; n may be negative or more than sixteen.
inline __m512 load_part(const float* p, int32_t n) {
  return _mm512_maskz_loadu_ps(n >= 16  ? __mmask16(0xffff)
                               : n <= 0 ? __mmask16(0)
                                        : static_cast<__mmask16>((1u << n) - 1),
                               p);
}

/// Transposes 16 x 16 values of 32 bits in place.
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

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
