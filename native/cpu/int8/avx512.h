// Exact dot products of a block with vpdpbusd: unsigned weights (the offset is in the sums' starts) times signed
// activations.
#pragma once
namespace owl3::OWL3_LANES {

constexpr bool unsigned_weights = true;
constexpr int int8_rows = 16;

inline __m512i quad_of(const int8_t* p) {
  int32_t v;
  __builtin_memcpy(&v, p, 4);
  return _mm512_set1_epi32(v);
}

template <int R, int Groups, class Done>
inline void dot_block(const uint8_t* w, const int8_t* x, int64_t ldx, const int32_t* start, int64_t ldstart,
                      Done done) {
  constexpr int chain = 8 / Groups;
  // A product takes five cycles and two start in one: with few rows, a sum needs several chains to keep them busy.
  constexpr int chains = R <= 2 ? (Groups == 1 ? 4 : 2) : 1;
  __m512i q[8];
#pragma GCC unroll 8
  for (int g = 0; g < 8; ++g) q[g] = _mm512_load_si512(w + 64 * g);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int g = 0; g < Groups; ++g) {
      __m512i sums[chains];
      sums[0] = _mm512_set1_epi32(start[r * ldstart + g]);
#pragma GCC unroll 4
      for (int c = 1; c < chains; ++c) sums[c] = _mm512_setzero_si512();
#pragma GCC unroll 8
      for (int i = 0; i < chain; ++i) {
        sums[i % chains] =
            _mm512_dpbusd_epi32(sums[i % chains], q[g * chain + i], quad_of(x + r * ldx + 4 * (g * chain + i)));
      }
      if constexpr (chains == 4)
        sums[0] = _mm512_add_epi32(_mm512_add_epi32(sums[0], sums[1]), _mm512_add_epi32(sums[2], sums[3]));
      if constexpr (chains == 2) sums[0] = _mm512_add_epi32(sums[0], sums[1]);
      done(r, g, Lanes{_mm512_cvtepi32_ps(sums[0])});
    }
  }
}

}  // namespace owl3::OWL3_LANES
