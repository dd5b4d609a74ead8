// Sixteen floats as four NEON registers. See lanes.h for what each function means.
#pragma once
#include <arm_neon.h>

#include <cstdint>

namespace owl3::OWL3_LANES {

struct Lanes {
  float32x4_t v[4];
};
constexpr int tile_rows = 6, tile_groups = 1;  // 24 accumulators, 4 of B, 1 of A
constexpr int product_rows = tile_rows, product_groups = tile_groups;

template <class F>
inline Lanes each(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}
inline Lanes load(const float* p) {
  return each([&](int i) { return vld1q_f32(p + 4 * i); });
}
inline Lanes load_f16(const uint16_t* p) {
  return each([&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))); });
}
inline Lanes load_i8(const int8_t* p) {
  const int8x16_t x = vld1q_s8(p);
  const int16x8_t lo = vmovl_s8(vget_low_s8(x)), hi = vmovl_s8(vget_high_s8(x));
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(lo))),
           vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(hi)))}};
}
inline void store(float* p, Lanes x) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, x.v[i]);
}
inline void store_f16(uint16_t* p, Lanes x) {
  for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.v[i])));
}
inline Lanes splat(float x) {
  return each([&](int) { return vdupq_n_f32(x); });
}
inline Lanes fma(Lanes x, Lanes y, Lanes z) {
  return each([&](int i) { return vfmaq_f32(z.v[i], x.v[i], y.v[i]); });
}
inline Lanes operator*(Lanes x, Lanes y) {
  return each([&](int i) { return vmulq_f32(x.v[i], y.v[i]); });
}
inline Lanes operator+(Lanes x, Lanes y) {
  return each([&](int i) { return vaddq_f32(x.v[i], y.v[i]); });
}
inline Lanes operator-(Lanes x, Lanes y) {
  return each([&](int i) { return vsubq_f32(x.v[i], y.v[i]); });
}
inline Lanes operator/(Lanes x, Lanes y) {
  return each([&](int i) { return vdivq_f32(x.v[i], y.v[i]); });
}
/// a where x >= 0, else b (NaN of x too).
inline Lanes choose(Lanes x, Lanes a, Lanes b) {
  return each([&](int i) { return vbslq_f32(vcgeq_f32(x.v[i], vdupq_n_f32(0)), a.v[i], b.v[i]); });
}
inline Lanes max(Lanes x, Lanes y) {
  return each([&](int i) { return vmaxq_f32(x.v[i], y.v[i]); });
}
inline Lanes first(Lanes x, float rest, int n) {
  const int32_t at[4] = {0, 1, 2, 3};
  const int32x4_t lane = vld1q_s32(at);
  return each([&](int i) { return vbslq_f32(vcltq_s32(lane, vdupq_n_s32(n - 4 * i)), x.v[i], vdupq_n_f32(rest)); });
}
inline float sum(Lanes x) {
  const float32x4_t q = vaddq_f32(vaddq_f32(x.v[0], x.v[2]), vaddq_f32(x.v[1], x.v[3]));
  const float32x2_t d = vadd_f32(vget_low_f32(q), vget_high_f32(q));
  return vget_lane_f32(d, 0) + vget_lane_f32(d, 1);
}
inline float largest(Lanes x) {
  return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.v[0], x.v[2]), vmaxq_f32(x.v[1], x.v[3])));
}
inline Lanes round_even(Lanes x) {
  return each([&](int i) { return vrndnq_f32(x.v[i]); });
}
inline Lanes scale_or_zero(Lanes a, Lanes n, Lanes x) {
  return each([&](int i) {
    const int32x4_t power = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n.v[i]), vdupq_n_s32(127)), 23);
    const uint32x4_t keep = vcgeq_f32(x.v[i], vdupq_n_f32(-126.0f));
    const float32x4_t scaled = vmulq_f32(a.v[i], vreinterpretq_f32_s32(power));
    return vreinterpretq_f32_u32(vandq_u32(keep, vreinterpretq_u32_f32(scaled)));
  });
}

}  // namespace owl3::OWL3_LANES
