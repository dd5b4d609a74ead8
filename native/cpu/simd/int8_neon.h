// Exact dot products of a block with sdot.
#pragma once
namespace owl3::OWL3_LANES {

constexpr int int8_rows = 4;

template <int R, int Groups, class Done>
inline void dot_panel(const uint8_t* w, const int8_t* x, int64_t ldx, Done done) {
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
    for (int r = 0; r < R; ++r) done(r, g, owl3::OWL3_LANES::each([&](int j) { return vcvtq_f32_s32(sum[r][j]); }));
  }
}

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

}  // namespace owl3::OWL3_LANES
