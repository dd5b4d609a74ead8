// AVX-512 (F, BW, DQ, VL, VNNI): sixteen floats are one register. simd.h says what each function means.
#pragma once
#include <immintrin.h>

#include "cpu/simd/bytes.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

struct Lanes {
  __m512 v;
};
constexpr int tile_rows = 12, tile_groups = 2;           // 24 accumulators, 2 of B, A straight from memory
constexpr int gemm_tile_rows = 8, gemm_tile_panels = 3;  // 24 as well, with fewer loads

inline Lanes load(const float* p) {
  return {_mm512_loadu_ps(p)};
}
inline Lanes load_f16(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline Lanes load_i8(const int8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
inline void store(float* p, Lanes a) {
  _mm512_storeu_ps(p, a.v);
}
inline void store_f16(uint16_t* p, Lanes a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}
/// The four bytes at p in each lane.
inline __m512i broadcast_four(const void* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}
inline Lanes splat(float x) {
  return {_mm512_set1_ps(x)};
}
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline Lanes operator*(Lanes a, Lanes b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
inline Lanes operator+(Lanes a, Lanes b) {
  return {_mm512_add_ps(a.v, b.v)};
}
inline Lanes operator-(Lanes a, Lanes b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
inline Lanes operator/(Lanes a, Lanes b) {
  return {_mm512_div_ps(a.v, b.v)};
}
inline Lanes choose(Lanes x, Lanes a, Lanes b) {
  return {_mm512_mask_mov_ps(b.v, _mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_GE_OQ), a.v)};
}
inline Lanes max(Lanes a, Lanes b) {
  return {_mm512_max_ps(a.v, b.v)};
}
inline Lanes first(Lanes a, float rest, int n) {
  return {_mm512_mask_mov_ps(_mm512_set1_ps(rest), static_cast<__mmask16>((1u << n) - 1), a.v)};
}
inline float reduce_add(Lanes a) {
  const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  const __m128 d = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
inline float reduce_max(Lanes a) {
  const __m256 h = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  const __m128 d = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}
inline Lanes round_even(Lanes a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Lanes scale_or_zero(Lanes a, Lanes n, Lanes x) {
  return {_mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x.v, _mm512_set1_ps(-126.0f), _CMP_GE_OQ), a.v, n.v)};
}

// ---- int8 products of GEMM (gemm/int8.h) ----
// vpdpbusd: unsigned weights (the sums start from what takes their offset off again) times signed activations.

constexpr bool unsigned_weights = true;
constexpr int int8_tile_panels = 2;
constexpr int int8_tile_rows(int) {
  return 6;  // twelve sums, twelve accumulators, two of weights, one of a row
}
constexpr int dot_bits(int) {
  return 8;
}
constexpr bool powers_apart = true;  // gemm/rows.h, scale_steps

/// a * 2^exponent. Runs beside vpdpbusd, multiplications and FMAs, which share two of four pipes (Zen 4).
inline Lanes times_power(Lanes a, float exponent) {
  return {_mm512_scalef_ps(a.v, _mm512_set1_ps(exponent))};
}

/// sum + w times x, four by four. Volatile: chains stay side by side as they are written.
inline __m512i dot_quad(__m512i sum, __m512i w, __m512i x) {
  __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
  return sum;
}

/// With one load a vpdpbusd the kernel would be bound by loads (one of 64 bytes and one product start in a cycle on Zen
/// 4), so two panels share each broadcast: two loads for three products.
template <int R, int P, class K, class Done>
inline void dot_block(const uint8_t* const (&w)[P], const int8_t* x, int64_t ldx, const int32_t* start, int64_t ldstart,
                      Done done) {
  constexpr int chain = 8 / K::groups;
  constexpr int chains = R * P < 4 ? 2 : 1;  // a product takes four cycles: with few sums each is split
#pragma GCC unroll 2
  for (int g = 0; g < K::groups; ++g) {
    __m512i sums[R][P][chains];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) {
        sums[r][p][0] = _mm512_set1_epi32(start[r * ldstart + g]);
        if constexpr (chains == 2) sums[r][p][1] = _mm512_setzero_si512();
      }
    }
#pragma GCC unroll 8
    for (int i = g * chain; i < (g + 1) * chain; ++i) {
      __m512i q[P];
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) q[p] = _mm512_load_si512(w[p] + 64 * i);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const __m512i quad = broadcast_four(x + r * ldx + 4 * i);
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) sums[r][p][i % chains] = dot_quad(sums[r][p][i % chains], q[p], quad);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) {
        __m512i sum = sums[r][p][0];
        if constexpr (chains == 2) sum = _mm512_add_epi32(sum, sums[r][p][1]);
        done(r, p, g, Lanes{_mm512_cvtepi32_ps(sum)});
      }
    }
  }
}

/// a and b (in [-127.5, 127.5]) rounded to nearest even as q [32], and their sums.
inline void round_to_int8(Lanes a, Lanes b, int8_t* q, int32_t* sums) {
  const __m128i a8 = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a.v)), b8 = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(b.v));
  const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(a8), b8, 1);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), both);
  __m256i sum = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), both);
  sum = _mm256_hadd_epi32(sum, sum);
  sum = _mm256_hadd_epi32(sum, sum);
  sums[0] = _mm256_extract_epi32(sum, 0);
  sums[1] = _mm256_extract_epi32(sum, 4);
}

// ---- int8 products of GEMV (gemm/kernels_gemv_int8.cpp) ----

constexpr int gemv_tile_rows = 4;  // eight sums, four accumulators, two quads and what they are made of
struct Sums {
  __m512i v;
};

inline Sums start_sums(int32_t x) {
  return {_mm512_set1_epi32(x)};
}
inline Sums operator+(Sums a, Sums b) {
  return {_mm512_add_epi32(a.v, b.v)};
}
inline Lanes to_lanes(Sums a) {
  return {_mm512_cvtepi32_ps(a.v)};
}
template <int Bits>
inline Sums dot(Sums sums, Quad w, const int8_t* x, int) {
  return {_mm512_dpbusd_epi32(sums.v, reinterpret_cast<__m512i>(w.v[0]), broadcast_four(x))};
}
/// Two columns of bfloat16 [16][2].
inline void load_bf16(const uint8_t* p, Lanes& even, Lanes& odd) {
  const __m512i v = _mm512_loadu_si512(p);
  even = {_mm512_castsi512_ps(_mm512_slli_epi32(v, 16))};
  odd = {_mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32(static_cast<int32_t>(0xffff0000u))))};
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
