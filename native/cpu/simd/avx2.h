// AVX2: products of weights of four to six bits with int8 by vpmaddubsw, whose sums stay in 16 bits as long as none can
// overflow. simd.h says what each function means. Weights of eight bits are multiplied in gemm/kernels_pairs.cpp.
#pragma once
#include "cpu/simd/avx2_lanes.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

constexpr bool unsigned_weights = true, powers_apart = false;
constexpr int dot_bits(int bits) {
  return bits < 8 ? bits : 0;
}
/// Products of quads that 16 bits hold: (2^bits - 1) * 128 * 2 each at most.
constexpr int dot_chain(int bits) {
  return bits == 4 ? 8 : bits == 5 ? 4 : 2;
}
static_assert(15 * 256 * 8 < 32768 && 31 * 256 * 4 < 32768 && 63 * 256 * 2 < 32768);

/// sum += w (unsigned) times x (signed), in pairs. By hand: GCC would add products to each other first, and spill them.
inline void add_pairs(__m256i& sum, __m256i w, __m256i x) {
  __m256i product;
  __asm__(
      "vpmaddubsw %3, %2, %1\n\t"
      "vpaddw %1, %0, %0"
      : "+x"(sum), "=x"(product)  // which may take the place of w or x
      : "x"(w), "x"(x));
}
/// Pairs of sums of 16 bits added up.
inline __m256i widen_sums(__m256i sum) {
  return _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
}

// ---- int8 products of GEMM (gemm/int8.h) ----

constexpr int int8_tile_panels = 1;
constexpr int int8_tile_rows(int) {
  return 4;  // eight sums, two of weights, one of a row, one of products
}

template <int R, int P, class K, class Done>
inline void dot_block(const uint8_t* const (&w)[P], const int8_t* x, int64_t ldx, const int32_t* start, int64_t ldstart,
                      Done done) {
  static_assert(P == 1);
  constexpr int chain = dot_chain(K::bits), chains = 8 / K::groups / chain;
#pragma GCC unroll 2
  for (int g = 0; g < K::groups; ++g) {
    __m256i total[R][2];
#pragma GCC unroll 2
    for (int c = 0; c < chains; ++c) {
      __m256i sums[R][2];
#pragma GCC unroll 8
      for (int j = 0; j < chain; ++j) {
        multiply_quad<R>(w[0], (g * chains + c) * chain + j, x, ldx,
                         [&](int r, int half, __m256i weights, __m256i four) {
                           if (j == 0) {
                             sums[r][half] = _mm256_maddubs_epi16(weights, four);
                           } else {
                             add_pairs(sums[r][half], weights, four);
                           }
                         });
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          const __m256i sum = widen_sums(sums[r][h]);
          if (c > 0) {
            total[r][h] = _mm256_add_epi32(total[r][h], sum);
          } else if (K::mins) {  // there is no offset
            total[r][h] = sum;
          } else {
            total[r][h] = _mm256_add_epi32(_mm256_set1_epi32(start[r * ldstart + g]), sum);
          }
        }
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) done(r, 0, g, Lanes{_mm256_cvtepi32_ps(total[r][0]), _mm256_cvtepi32_ps(total[r][1])});
  }
}

// ---- int8 products of GEMV (gemm/kernels_gemv_int8.cpp) ----

struct Sums {
  __m256i pairs[2];  ///< sums of a chain of quads
  __m256i total[2];
};

inline Sums start_sums(int32_t x) {
  return {.pairs = {}, .total = {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}};
}
inline Sums operator+(Sums a, Sums b) {
  return {.pairs = {}, .total = {_mm256_add_epi32(a.total[0], b.total[0]), _mm256_add_epi32(a.total[1], b.total[1])}};
}
inline Lanes to_lanes(Sums a) {
  return {_mm256_cvtepi32_ps(a.total[0]), _mm256_cvtepi32_ps(a.total[1])};
}
template <int Bits>
inline Sums dot(Sums sums, Quad w, const int8_t* x, int quad) {
  constexpr int all = dot_chain(Bits), chain = all < 4 ? all : 4;  // a sum has four quads
  const __m256i four = broadcast_four(x);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const __m256i product = _mm256_maddubs_epi16(reinterpret_cast<__m256i>(w.v[i]), four);
    sums.pairs[i] = quad % chain == 0 ? product : _mm256_add_epi16(sums.pairs[i], product);
    if (quad % chain == chain - 1) sums.total[i] = _mm256_add_epi32(sums.total[i], widen_sums(sums.pairs[i]));
  }
  return sums;
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
