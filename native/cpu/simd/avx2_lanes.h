// AVX2 with FMA and F16C: sixteen floats are two registers. simd.h says what each function means. avx2.h and avxvnni.h add
// products of bytes.
#pragma once
#include <immintrin.h>

#include "cpu/simd/bytes.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

struct Lanes {
  __m256 a, b;
};
constexpr int tile_rows = 6, tile_groups = 1;  // 12 accumulators, 2 of B, 1 of A
constexpr int gemm_tile_rows = tile_rows, gemm_tile_panels = tile_groups;

inline Lanes load(const float* p) {
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
inline Lanes load_f16(const uint16_t* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
          _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
}
inline Lanes load_i8(const int8_t* p) {
  const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(x)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(x, 8)))};
}
inline void store(float* p, Lanes x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
inline void store_f16(uint16_t* p, Lanes x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}
inline Lanes splat(float x) {
  return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
inline Lanes fma(Lanes x, Lanes y, Lanes z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline Lanes operator*(Lanes x, Lanes y) {
  return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}
inline Lanes operator+(Lanes x, Lanes y) {
  return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}
inline Lanes operator-(Lanes x, Lanes y) {
  return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}
inline Lanes operator/(Lanes x, Lanes y) {
  return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}
inline Lanes choose(Lanes x, Lanes a, Lanes b) {
  const __m256 zero = _mm256_setzero_ps();
  return {_mm256_blendv_ps(b.a, a.a, _mm256_cmp_ps(x.a, zero, _CMP_GE_OQ)),
          _mm256_blendv_ps(b.b, a.b, _mm256_cmp_ps(x.b, zero, _CMP_GE_OQ))};
}
inline Lanes max(Lanes x, Lanes y) {
  return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}
inline Lanes first(Lanes x, float rest, int n) {
  const __m256i at = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), count = _mm256_set1_epi32(n);
  const __m256 r = _mm256_set1_ps(rest);
  const __m256i low = _mm256_cmpgt_epi32(count, at),
                high = _mm256_cmpgt_epi32(count, _mm256_add_epi32(at, _mm256_set1_epi32(8)));
  return {_mm256_blendv_ps(r, x.a, _mm256_castsi256_ps(low)), _mm256_blendv_ps(r, x.b, _mm256_castsi256_ps(high))};
}
inline float reduce_add(Lanes x) {
  const __m256 h = _mm256_add_ps(x.a, x.b);
  const __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  const __m128 d = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
inline float reduce_max(Lanes x) {
  const __m256 h = _mm256_max_ps(x.a, x.b);
  const __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  const __m128 d = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}
inline Lanes round_even(Lanes x) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.a, mode), _mm256_round_ps(x.b, mode)};
}
inline __m256 scale_or_zero_8(__m256 a, __m256 n, __m256 x) {
  const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  const __m256 keep = _mm256_cmp_ps(x, _mm256_set1_ps(-126.0f), _CMP_GE_OQ);
  return _mm256_and_ps(keep, _mm256_mul_ps(a, _mm256_castsi256_ps(power)));
}
inline Lanes scale_or_zero(Lanes a, Lanes n, Lanes x) {
  return {scale_or_zero_8(a.a, n.a, x.a), scale_or_zero_8(a.b, n.b, x.b)};
}

/// a and b (in [-127.5, 127.5]) rounded to nearest even as q [32], and their sums.
inline void round_to_int8(Lanes a, Lanes b, int8_t* q, int32_t* sums) {
  const __m256i a16 = _mm256_packs_epi32(_mm256_cvtps_epi32(a.a), _mm256_cvtps_epi32(a.b)),
                b16 = _mm256_packs_epi32(_mm256_cvtps_epi32(b.a), _mm256_cvtps_epi32(b.b));
  // Packing works in each half of a register: the quads come out as a0 a2 b0 b2 a1 a3 b1 b3.
  const __m256i both =
      _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a16, b16), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), both);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), both), ones);
  sum = _mm256_hadd_epi32(sum, sum);
  sum = _mm256_hadd_epi32(sum, sum);
  sums[0] = _mm256_extract_epi32(sum, 0);
  sums[1] = _mm256_extract_epi32(sum, 4);
}

/// The four bytes at p in each lane.
inline __m256i broadcast_four(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}
/// Quad i of a block (packed.h) and R rows: calls add(r, half, weights of outputs from 8 * half on, row r's four columns).
template <int R, class Add>
__attribute__((always_inline)) inline void multiply_quad(const uint8_t* w, int i, const int8_t* x, int64_t ldx,
                                                         Add add) {
  const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + 64 * i)),
                w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + 64 * i + 32));
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m256i four = broadcast_four(x + r * ldx + 4 * i);
    add(r, 0, w0, four);
    add(r, 1, w1, four);
  }
}

constexpr int gemv_tile_rows = 2;
/// Two columns of bfloat16 [16][2].
inline void load_bf16(const uint8_t* p, Lanes& even, Lanes& odd) {
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
                b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32)),
                upper = _mm256_set1_epi32(static_cast<int32_t>(0xffff0000u));
  even = {_mm256_castsi256_ps(_mm256_slli_epi32(a, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(b, 16))};
  odd = {_mm256_castsi256_ps(_mm256_and_si256(a, upper)), _mm256_castsi256_ps(_mm256_and_si256(b, upper))};
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
