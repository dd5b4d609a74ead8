// Exact dot products of a block with vpdpbusd: unsigned weights (the offset is in the sums' starts) times signed
// activations.
#pragma once
namespace owl3::OWL3_LANES {

constexpr bool unsigned_weights = true;
constexpr int int8_rows = 6, int8_panels_at_once = 2;  // twelve sums, twelve accumulators, two of weights, one of a row
constexpr bool powers_apart = true;                    // linear_body.h, scale_steps

/// a * 2^exponent. Runs beside vpdpbusd, multiplications and FMAs, which share two of four pipes (Zen 4).
inline Lanes times_power(Lanes a, float exponent) {
  return {_mm512_scalef_ps(a.v, _mm512_set1_ps(exponent))};
}

/// sum + w times x, four by four. Volatile: chains stay side by side as they are written.
inline __m512i dot_quad(__m512i sum, __m512i w, __m512i x) {
  __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
  return sum;
}

/// As many products as loads would leave the products waiting: a load of 64 bytes starts in each cycle, as a product
/// does (Zen 4). So two panels share a row's broadcast, and a product takes two thirds of a load.
template <int R, int P, int Groups, class Done>
inline void dot_block(const uint8_t* const (&w)[P], const int8_t* x, int64_t ldx, const int32_t* start, int64_t ldstart,
                      Done done) {
  constexpr int chain = 8 / Groups;
  constexpr int chains = R * P < 4 ? 2 : 1;  // a product takes four cycles: with few sums each is split
#pragma GCC unroll 2
  for (int g = 0; g < Groups; ++g) {
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

}  // namespace owl3::OWL3_LANES
