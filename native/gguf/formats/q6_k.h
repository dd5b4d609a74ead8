// Q6_K: 16 groups of 16 values d * scale * (q - 32).
#pragma once
#include "gguf/formats/symmetric.h"

namespace owl3::gguf {

/// In each half of 128 values, byte i < 64 of `low` holds the low nibbles of values i and i + 64, and byte i < 32 of
/// `high` the upper two bits of values i, i + 32, i + 64 and i + 96.
struct BlockQ6_K {
  uint8_t low[128];
  uint8_t high[64];
  int8_t scales[16];
  uint16_t d;  ///< IEEE half
};
static_assert(sizeof(BlockQ6_K) == 210 && alignof(BlockQ6_K) == 2);

namespace {

struct Q6_K {
  using Block = BlockQ6_K;
  static constexpr int block_size = 256;
  static constexpr int max_q = 32;

  static void dequantize(const Block& b, float* y) {
    const float d = f16_to_f32(b.d);
    for (int j = 0; j < 8; j++) {  // 32 values at a time
      const int half = j / 4, part = j % 4;
      const uint8_t* low = b.low + 64 * half + part % 2 * 32;
      const uint8_t* high = b.high + 32 * half;
      const int low_shift = part / 2 * 4, high_shift = 2 * part;
      for (int i = 0; i < 32; i++) {
        const int group = 2 * j + i / 16;
        const float scale = d * static_cast<float>(b.scales[group]);
        const int q = ((low[i] >> low_shift) & 15) | ((high[i] >> high_shift) & 3) << 4;
        y[32 * j + i] = scale * static_cast<float>(q - 32);
      }
    }
  }

  /// Fits each group alone, rounds its scale to eight bits of the common d, and moves it one up or down where that
  /// makes the group's error smaller.
  static Block pack(const float* x) {
    F32x8 v[2][16], scale[2];  // half h of the groups, a lane a group
    float extreme_scale = 0;   // the scale of largest magnitude, with its sign
    for (int h = 0; h < 2; h++) {
      F32x8 extreme;
      load_lanes<16>(x + 128 * h, 8, v[h]);
      search_symmetric<16>(v[h], max_q, extreme, scale[h]);
      for (int l = 0; l < lane_count; l++) {
        const float s = scale[h][l];
        extreme_scale = (s < 0 ? -s : s) > (extreme_scale < 0 ? -extreme_scale : extreme_scale) ? s : extreme_scale;
      }
    }
    F32x8 d = F32x8{} + extreme_scale / -128;
    uint16_t half[lane_count];
    round_to_half(d, half);
    F32x8 inverse_d;
    reciprocal(d, inverse_d);
    for (int h = 0; h < 2; h++) improve(v[h], d, inverse_d, scale[h]);
    Block b;
    b.d = half[0];
    uint8_t q[256];
    for (int h = 0; h < 2; h++) {
      F32x8 inverse;
      reciprocal(d * scale[h], inverse);
      for (int l = 0; l < lane_count; l++) b.scales[8 * h + l] = static_cast<int8_t>(scale[h][l]);
      for (int i = 0; i < 16; i++) {
        F32x8 r = v[h][i] * inverse;
        clamp_round(r, -32, 31);
        for (int l = 0; l < lane_count; l++)
          q[128 * h + 16 * l + i] = static_cast<uint8_t>(static_cast<int>(r[l]) + 32);
      }
    }
    pack_values(q, b);
    return b;
  }

  static void quantize(const float* x, void* blocks, int64_t n) { quantize_blocks<Q6_K>(x, blocks, n); }

 private:
  /// Turns fitted scales into the best integers next to scale / d.
  static OWL3_INLINE void improve(const F32x8* x, const F32x8& d, const F32x8& inverse_d, F32x8& scale) {
    F32x8 s = scale * inverse_d, best_error;
    clamp_round(s, -128, 127);
    symmetric_error<16>(x, d * s, max_q, best_error);
    scale = s;
    for (int step = -1; step <= 1; step += 2) {
      F32x8 t = s + static_cast<float>(step), error;
      clamp_round(t, -128, 127);
      symmetric_error<16>(x, d * t, max_q, error);
      const I32x8 better = error < best_error;
      best_error = better ? error : best_error;
      scale = better ? t : scale;
    }
  }

  static OWL3_INLINE void pack_values(const uint8_t q[256], Block& b) {
    for (int h = 0; h < 2; h++) {
      const uint8_t* p = q + 128 * h;
      for (int i = 0; i < 64; i++) b.low[64 * h + i] = static_cast<uint8_t>((p[i] & 15) | (p[i + 64] & 15) << 4);
      for (int i = 0; i < 32; i++)
        b.high[32 * h + i] =
            static_cast<uint8_t>((p[i] >> 4) | (p[i + 32] >> 4) << 2 | (p[i + 64] >> 4) << 4 | (p[i + 96] >> 4) << 6);
    }
  }
};

}  // namespace
}  // namespace owl3::gguf
