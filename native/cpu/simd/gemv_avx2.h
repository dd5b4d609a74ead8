// What products of few rows need of AVX2 (vector_body.h): vpmaddubsw, whose pair sums stay below 2 * 128 * 127 < 2^15.
#pragma once
namespace owl3::OWL3_LANES {

constexpr int rows_at_once = 2;
constexpr bool unsigned_bytes = false;
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
template <bool Whole>
inline Sums dot(Sums sums, Quad w, const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, 4);
  const __m256i a = _mm256_set1_epi32(four), ones = _mm256_set1_epi16(1);
  for (int i = 0; i < 2; ++i) {
    const __m256i q = reinterpret_cast<__m256i>(w.v[i]);
    const __m256i pairs =
        Whole ? _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(a, q)) : _mm256_maddubs_epi16(q, a);
    sums.v[i] = _mm256_add_epi32(sums.v[i], _mm256_madd_epi16(pairs, ones));
  }
  return sums;
}
/// Two columns of bfloat16 [16][2].
inline void load_bf16(const uint8_t* p, Lanes& even, Lanes& odd) {
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
                b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32)),
                upper = _mm256_set1_epi32(static_cast<int32_t>(0xffff0000u));
  even = {_mm256_castsi256_ps(_mm256_slli_epi32(a, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(b, 16))};
  odd = {_mm256_castsi256_ps(_mm256_and_si256(a, upper)), _mm256_castsi256_ps(_mm256_and_si256(b, upper))};
}

}  // namespace owl3::OWL3_LANES
