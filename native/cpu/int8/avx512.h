// Exact dot products of a block with vpdpbusd: unsigned weights (the offset is in the sums' starts) times signed
// activations.
#pragma once
namespace owl3::OWL3_LANES {

constexpr bool unsigned_weights = true;
constexpr int int8_rows = 8;

inline __m512i quad_of(const int8_t* p) {
  int32_t v;
  __builtin_memcpy(&v, p, 4);
  return _mm512_set1_epi32(v);
}

/// sum + w times the four values at p, in each lane. The product broadcasts its operand on its way from memory;
/// compilers make two instructions of the intrinsics, which leaves fewer products in sight of the processor. Volatile:
/// chains stay side by side as they are written.
inline __m512i dot_quad(__m512i sum, __m512i w, const int8_t* p) {
  typedef int32_t Quad __attribute__((may_alias, aligned(1)));
  __asm__ volatile("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(w), "m"(*reinterpret_cast<const Quad*>(p)));
  return sum;
}

template <int R, int Groups, class Done>
inline void dot_block(const uint8_t* w, const int8_t* x, int64_t ldx, const int32_t* start, int64_t ldstart,
                      Done done) {
  constexpr int chain = 8 / Groups;
  // A product takes four cycles and one starts in each (Zen 4; two every five on Intel): four rows' chains go side by
  // side, and with fewer rows a sum is split in several.
  constexpr int side = R < 4 ? R : 4;
  constexpr int chains = R <= 2 ? (Groups == 1 ? 4 : 2) : 1;
  __m512i q[8];
#pragma GCC unroll 8
  for (int g = 0; g < 8; ++g) q[g] = _mm512_load_si512(w + 64 * g);
#pragma GCC unroll 8
  for (int r0 = 0; r0 < R; r0 += side) {
#pragma GCC unroll 2
    for (int g = 0; g < Groups; ++g) {
      __m512i sums[side][chains];
#pragma GCC unroll 4
      for (int r = 0; r < side; ++r) {
        sums[r][0] = _mm512_set1_epi32(start[(r0 + r) * ldstart + g]);
#pragma GCC unroll 4
        for (int c = 1; c < chains; ++c) sums[r][c] = _mm512_setzero_si512();
      }
#pragma GCC unroll 8
      for (int i = 0; i < chain; ++i) {
#pragma GCC unroll 4
        for (int r = 0; r < side; ++r) {
          __m512i& sum = sums[r][i % chains];
          const int8_t* quad = x + (r0 + r) * ldx + 4 * (g * chain + i);
          if constexpr (R >= 4)
            sum = dot_quad(sum, q[g * chain + i], quad);
          else
            sum = _mm512_dpbusd_epi32(sum, q[g * chain + i], quad_of(quad));
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < side; ++r) {
        __m512i sum = sums[r][0];
        if constexpr (chains == 4)
          sum = _mm512_add_epi32(_mm512_add_epi32(sum, sums[r][1]), _mm512_add_epi32(sums[r][2], sums[r][3]));
        if constexpr (chains == 2) sum = _mm512_add_epi32(sum, sums[r][1]);
        done(r0 + r, g, Lanes{_mm512_cvtepi32_ps(sum)});
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

}  // namespace owl3::OWL3_LANES
