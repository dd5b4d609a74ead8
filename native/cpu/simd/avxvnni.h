// AVX2 and AVX-VNNI: vpdpbusd on registers of 256 bits, for int8 products. simd.h says what each function means.
//
// Compiled without AVX-VNNI, vpdpbusd is put together from AVX2: so the kernels are tested where the instruction is not.
#pragma once
#include "cpu/simd/avx2_lanes.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

/// sum + w (unsigned) times x (signed), four by four.
inline __m256i dot_quad(__m256i sum, __m256i w, __m256i x) {
#ifdef __AVXVNNI__
  // By hand: GCC 12 copies the sums of the intrinsic from register to register.
  __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(w), "x"(x));
  return sum;
#else
  const __m256i low = _mm256_set1_epi16(0xff);  // even and odd columns apart: vpmaddubsw would saturate
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(w, low), _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8)),
                odd = _mm256_madd_epi16(_mm256_srli_epi16(w, 8), _mm256_srai_epi16(x, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
#endif
}

// ---- int8 products of GEMM (gemm/int8.h) ----

constexpr bool unsigned_weights = true, powers_apart = false;
constexpr int int8_tile_panels = 1;
constexpr int int8_tile_rows(int) {
  return 6;  // twelve sums, two of weights, one of a row
}
constexpr int dot_bits(int) {
  return 8;
}

template <int R, int P, class K, class Done>
inline void dot_block(const uint8_t* const (&w)[P], const int8_t* x, int64_t ldx, const int32_t* start, int64_t ldstart,
                      Done done) {
  static_assert(P == 1);
  constexpr int chain = 8 / K::groups;
#pragma GCC unroll 2
  for (int g = 0; g < K::groups; ++g) {
    __m256i sums[R][2];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = _mm256_set1_epi32(start[r * ldstart + g]);
#pragma GCC unroll 8
    for (int i = g * chain; i < (g + 1) * chain; ++i) {
      multiply_quad<R>(w[0], i, x, ldx, [&](int r, int half, __m256i weights, __m256i four) {
        sums[r][half] = dot_quad(sums[r][half], weights, four);
      });
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) done(r, 0, g, Lanes{_mm256_cvtepi32_ps(sums[r][0]), _mm256_cvtepi32_ps(sums[r][1])});
  }
}

// ---- int8 products of GEMV (gemm/kernels_gemv_int8.cpp) ----

struct Sums {
  __m256i v[2];
};

inline Sums start_sums(int32_t x) {
  return {{_mm256_set1_epi32(x), _mm256_set1_epi32(x)}};
}
inline Sums operator+(Sums a, Sums b) {
  return {{_mm256_add_epi32(a.v[0], b.v[0]), _mm256_add_epi32(a.v[1], b.v[1])}};
}
inline Lanes to_lanes(Sums a) {
  return {_mm256_cvtepi32_ps(a.v[0]), _mm256_cvtepi32_ps(a.v[1])};
}
template <int Bits>
inline Sums dot(Sums sums, Quad w, const int8_t* x, int) {
  const __m256i four = broadcast_four(x);
  for (int i = 0; i < 2; ++i) sums.v[i] = dot_quad(sums.v[i], reinterpret_cast<__m256i>(w.v[i]), four);
  return sums;
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
