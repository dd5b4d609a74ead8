// Exact dot products of a block with vpmaddubsw: |w| times sign(w) x, whose pair sums stay below 2 * 128 * 127 < 2^15.
#pragma once
namespace owl3::OWL3_LANES {

constexpr int int8_rows = 2;

template <int R, int Groups, class Done>
inline void dot_panel(const uint8_t* w, const int8_t* x, int64_t ldx, Done done) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (int g = 0; g < Groups; ++g) {
    __m256i sum[R][2];
    for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int i = g * (8 / Groups); i < (g + 1) * (8 / Groups); ++i) {
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        const __m256i q = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + 64 * i + 32 * half)),
                      size = _mm256_abs_epi8(q);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          int32_t v;
          __builtin_memcpy(&v, x + r * ldx + 4 * i, 4);
          const __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(_mm256_set1_epi32(v), q));
          sum[r][half] = _mm256_add_epi32(sum[r][half], _mm256_madd_epi16(pairs, ones));
        }
      }
    }
    for (int r = 0; r < R; ++r) done(r, g, Lanes{_mm256_cvtepi32_ps(sum[r][0]), _mm256_cvtepi32_ps(sum[r][1])});
  }
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

}  // namespace owl3::OWL3_LANES
