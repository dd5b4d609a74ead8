// What products of few rows need of NEON with the dot product extension (vector_body.h).
#pragma once
namespace owl3::OWL3_LANES {

constexpr int rows_at_once = 2;
constexpr bool unsigned_bytes = false;
struct Sums {
  int32x4_t v[4];
};

inline Sums start_sums(int32_t x) {
  return {{vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x)}};
}
inline Sums operator+(Sums a, Sums b) {
  for (int i = 0; i < 4; ++i) a.v[i] = vaddq_s32(a.v[i], b.v[i]);
  return a;
}
inline Lanes to_lanes(Sums a) {
  return each([&](int i) { return vcvtq_f32_s32(a.v[i]); });
}
template <bool Whole>
inline Sums dot(Sums sums, Quad w, const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, 4);
  const int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(four));
  for (int i = 0; i < 4; ++i) {
    const int8x16_t q = reinterpret_cast<int8x16_t>(w.v[i]);
    sums.v[i] = vdotq_s32(sums.v[i], q, a);
  }
  return sums;
}
/// Two columns of bfloat16 [16][2].
inline void load_bf16(const uint8_t* p, Lanes& even, Lanes& odd) {
  const auto words = [&](int i) { return vreinterpretq_u32_u8(vld1q_u8(p + 16 * i)); };
  even = each([&](int i) { return vreinterpretq_f32_u32(vshlq_n_u32(words(i), 16)); });
  odd = each([&](int i) { return vreinterpretq_f32_u32(vandq_u32(words(i), vdupq_n_u32(0xffff0000u))); });
}

}  // namespace owl3::OWL3_LANES
