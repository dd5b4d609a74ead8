// NEON with the dot product extension, and with that for matrix products (i8mm) where the compiler has it: sixteen floats
// are four registers. simd.h says what each function means.
#pragma once
#include <arm_neon.h>

#include "cpu/simd/bytes.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

struct Lanes {
  float32x4_t v[4];
};
constexpr int tile_rows = 6, tile_groups = 1;  // 24 accumulators, 4 of B, 1 of A
constexpr int gemm_tile_rows = tile_rows, gemm_tile_panels = tile_groups;

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
inline float reduce_add(Lanes x) {
  const float32x4_t q = vaddq_f32(vaddq_f32(x.v[0], x.v[2]), vaddq_f32(x.v[1], x.v[3]));
  const float32x2_t d = vadd_f32(vget_low_f32(q), vget_high_f32(q));
  return vget_lane_f32(d, 0) + vget_lane_f32(d, 1);
}
inline float reduce_max(Lanes x) {
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

// ---- int8 products of GEMM (gemm/int8.h) ----

/// By sdot, up to four rows.
template <int R, int Groups, class Done>
inline void dot_rows(const uint8_t* w, const int8_t* x, int64_t ldx, Done done) {
  for (int g = 0; g < Groups; ++g) {
    int32x4_t sum[R][4];
    for (int r = 0; r < R; ++r) {
      for (int j = 0; j < 4; ++j) sum[r][j] = vdupq_n_s32(0);
    }
    for (int part = g * (2 / Groups); part < (g + 1) * (2 / Groups); ++part) {
      int8x16_t a[R];
      for (int r = 0; r < R; ++r) a[r] = vld1q_s8(x + r * ldx + 16 * part);
      for (int j = 0; j < 4; ++j) {
        const int8_t* q = reinterpret_cast<const int8_t*>(w) + part * 256 + j * 16;
        const int8x16_t w0 = vld1q_s8(q), w1 = vld1q_s8(q + 64), w2 = vld1q_s8(q + 128), w3 = vld1q_s8(q + 192);
        for (int r = 0; r < R; ++r) {
          sum[r][j] = vdotq_laneq_s32(sum[r][j], w0, a[r], 0);
          sum[r][j] = vdotq_laneq_s32(sum[r][j], w1, a[r], 1);
          sum[r][j] = vdotq_laneq_s32(sum[r][j], w2, a[r], 2);
          sum[r][j] = vdotq_laneq_s32(sum[r][j], w3, a[r], 3);
        }
      }
    }
    for (int r = 0; r < R; ++r) done(r, g, each([&](int j) { return vcvtq_f32_s32(sum[r][j]); }));
  }
}

#ifdef __ARM_FEATURE_MATMUL_INT8
/// By smmla, which multiplies two rows of eight values with two others: up to eight rows (an even number) with eight
/// outputs at a time, in 16 sums, so that a pair of outputs that was put together serves all rows.
template <int R, int Groups, class Done>
inline void dot_row_pairs(const uint8_t* w, const int8_t* x, int64_t ldx, Done done) {
  constexpr int eights = 4 / Groups;  // columns of a group, by eight
  for (int g = 0; g < Groups; ++g) {
    float32x4_t out[R][4];
    for (int half = 0; half < 2; ++half) {
      int32x4_t sum[R / 2][4];  // [rows 2i and 2i + 1] x [outputs 2j and 2j + 1]
      for (int i = 0; i < R / 2; ++i) {
        for (int j = 0; j < 4; ++j) sum[i][j] = vdupq_n_s32(0);
      }
      for (int e = g * eights; e < (g + 1) * eights; ++e) {
        int8x16_t rows[R / 2], outputs[4];
        for (int i = 0; i < R / 2; ++i)
          rows[i] = vcombine_s8(vld1_s8(x + 2 * i * ldx + 8 * e), vld1_s8(x + (2 * i + 1) * ldx + 8 * e));
        for (int j = 0; j < 2; ++j) {  // four outputs: columns 0 to 3 stand in one quad, 4 to 7 in the next
          const uint8_t* q = w + 128 * e + 32 * half + 16 * j;
          const uint32x4_t near = vreinterpretq_u32_u8(vld1q_u8(q)), far = vreinterpretq_u32_u8(vld1q_u8(q + 64));
          outputs[2 * j] = vreinterpretq_s8_u32(vzip1q_u32(near, far));
          outputs[2 * j + 1] = vreinterpretq_s8_u32(vzip2q_u32(near, far));
        }
        for (int i = 0; i < R / 2; ++i) {
          for (int j = 0; j < 4; ++j) sum[i][j] = vmmlaq_s32(sum[i][j], rows[i], outputs[j]);
        }
      }
      for (int i = 0; i < R / 2; ++i) {
        for (int j = 0; j < 2; ++j) {
          const int64x2_t a = vreinterpretq_s64_s32(sum[i][2 * j]), b = vreinterpretq_s64_s32(sum[i][2 * j + 1]);
          out[2 * i][2 * half + j] = vcvtq_f32_s32(vreinterpretq_s32_s64(vzip1q_s64(a, b)));
          out[2 * i + 1][2 * half + j] = vcvtq_f32_s32(vreinterpretq_s32_s64(vzip2q_s64(a, b)));
        }
      }
    }
    for (int r = 0; r < R; ++r) done(r, g, each([&](int j) { return out[r][j]; }));
  }
}

constexpr int int8_tile_rows(int) {
  return 8;
}

template <int R, int Groups, class Done>
inline void dot_panel(const uint8_t* w, const int8_t* x, int64_t ldx, Done done) {
  if constexpr (R == 1) {
    dot_rows<R, Groups>(w, x, ldx, done);
  } else {
    dot_row_pairs<R, Groups>(w, x, ldx, done);
  }
}
#else
constexpr int int8_tile_rows(int) {
  return 4;
}

template <int R, int Groups, class Done>
inline void dot_panel(const uint8_t* w, const int8_t* x, int64_t ldx, Done done) {
  dot_rows<R, Groups>(w, x, ldx, done);
}
#endif

/// a and b (in [-127.5, 127.5]) rounded to nearest even as q [32], and their sums.
inline void round_to_int8(Lanes a, Lanes b, int8_t* q, int32_t* sums) {
  for (int half = 0; half < 2; ++half) {
    const Lanes& x = half ? b : a;
    int16x4_t part[4];
    for (int j = 0; j < 4; ++j) part[j] = vqmovn_s32(vcvtnq_s32_f32(x.v[j]));
    const int8x16_t v =
        vcombine_s8(vqmovn_s16(vcombine_s16(part[0], part[1])), vqmovn_s16(vcombine_s16(part[2], part[3])));
    vst1q_s8(q + 16 * half, v);
    sums[half] = vaddlvq_s8(v);
  }
}

// ---- int8 products of GEMV (gemm/kernels_gemv_int8.cpp) ----

constexpr int gemv_tile_rows = 2;
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
template <int Bits>
inline Sums dot(Sums sums, Quad w, const int8_t* x, int) {
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

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA

#include "cpu/simd/one_panel.h"
