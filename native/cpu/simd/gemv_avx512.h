// What products of few rows need of AVX-512 (vector_body.h).
#pragma once
namespace owl3::OWL3_LANES {

constexpr int rows_at_once = 4;        // eight sums, four accumulators, two quads and what they are made of
constexpr bool unsigned_bytes = true;  // whole bytes are wanted with their offset in
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
template <bool Whole>
inline Sums dot(Sums sums, Quad w, const int8_t* x) {
  return {_mm512_dpbusd_epi32(sums.v, reinterpret_cast<__m512i>(w.v[0]), broadcast_four(x))};
}
/// Two columns of bfloat16 [16][2].
inline void load_bf16(const uint8_t* p, Lanes& even, Lanes& odd) {
  const __m512i v = _mm512_loadu_si512(p);
  even = {_mm512_castsi512_ps(_mm512_slli_epi32(v, 16))};
  odd = {_mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32(static_cast<int32_t>(0xffff0000u))))};
}

}  // namespace owl3::OWL3_LANES
