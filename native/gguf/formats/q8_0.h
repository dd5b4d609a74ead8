// Q8_0: 32 values d * q.
#pragma once
#include "gguf/formats/simd.h"

namespace owl3::gguf {

struct BlockQ8_0 {
  uint16_t d;  ///< IEEE half
  int8_t q[32];
};
static_assert(sizeof(BlockQ8_0) == 34 && alignof(BlockQ8_0) == 2);

namespace {

struct Q8_0 {
  using Block = BlockQ8_0;
  static constexpr int block_size = 32;

  static void dequantize(const Block& b, float* y) {
    const float d = f16_to_f32(b.d);
    for (int i = 0; i < 32; i++) y[i] = static_cast<float>(b.q[i]) * d;
  }

  /// Eight bits are fine enough without a search: the value of largest magnitude goes to 127, the rest to the nearest
  /// multiple of the rounded scale.
  static Block pack(const float* x) {
    F32x8 v[4];
    __builtin_memcpy(v, x, sizeof v);
    F32x8 max_abs{};
    for (const F32x8& part : v) {
      const F32x8 a = part < F32x8{} ? -part : part;
      max_abs = max_abs > a ? max_abs : a;
    }
    float amax = 0;
    for (int l = 0; l < lane_count; l++) amax = amax > max_abs[l] ? amax : max_abs[l];
    Block b;
    b.d = f32_to_f16(amax / 127 > max_finite ? max_finite : amax / 127);
    const float d = f16_to_f32(b.d), inverse = d > tiny_value ? 1 / d : 0;
    for (int k = 0; k < 4; k++) {
      F32x8 scaled = v[k] * inverse;
      clamp_round(scaled, -127, 127);
      const I32x8 q = __builtin_convertvector(scaled, I32x8);
      for (int l = 0; l < lane_count; l++) b.q[lane_count * k + l] = static_cast<int8_t>(q[l]);
    }
    return b;
  }

  static void quantize(const float* x, void* blocks, int64_t n) { quantize_blocks<Q8_0>(x, blocks, n); }
};

}  // namespace
}  // namespace owl3::gguf
