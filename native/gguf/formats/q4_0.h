// Q4_0: 32 values d * (q - 8).
#pragma once
#include "gguf/formats/symmetric.h"

namespace owl3::gguf {

struct BlockQ4_0 {
  uint16_t d;     ///< IEEE half
  uint8_t q[16];  ///< byte i holds values i (low nibble) and i + 16
};
static_assert(sizeof(BlockQ4_0) == 18 && alignof(BlockQ4_0) == 2);

namespace {

struct Q4_0 {
  using Block = BlockQ4_0;
  static constexpr int block_size = 32;
  static constexpr int max_q = 8;

  static void dequantize(const Block& b, float* y) {
    const float d = f16_to_f32(b.d);
    for (int i = 0; i < 16; i++) {
      y[i] = d * static_cast<float>((b.q[i] & 15) - 8);
      y[i + 16] = d * static_cast<float>((b.q[i] >> 4) - 8);
    }
  }

  static Block pack(uint16_t d, const int8_t q[32]) {
    Block b;
    b.d = d;
    for (int i = 0; i < 16; i++) b.q[i] = static_cast<uint8_t>((q[i] + 8) | (q[i + 16] + 8) << 4);
    return b;
  }

  static void quantize(const float* x, void* blocks, int64_t n) { quantize_symmetric<Q4_0>(x, blocks, n); }
};

}  // namespace
}  // namespace owl3::gguf
