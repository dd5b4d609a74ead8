// Q5_0: 32 values d * (q - 16).
#pragma once
#include "gguf/formats/symmetric.h"

namespace owl3::gguf {

struct BlockQ5_0 {
  uint16_t d;       ///< IEEE half
  uint8_t high[4];  ///< bit i is the fifth bit of value i
  uint8_t q[16];    ///< the low four bits, as in Q4_0
};
static_assert(sizeof(BlockQ5_0) == 22 && alignof(BlockQ5_0) == 2);

namespace {

struct Q5_0 {
  using Block = BlockQ5_0;
  static constexpr int block_size = 32;
  static constexpr int max_q = 16;

  static void dequantize(const Block& b, float* y) {
    const float d = f16_to_f32(b.d);
    uint32_t high;
    __builtin_memcpy(&high, b.high, 4);
    for (int i = 0; i < 16; i++) {
      y[i] = d * static_cast<float>(static_cast<int>((b.q[i] & 15u) | ((high >> i) & 1u) << 4) - 16);
      y[i + 16] = d * static_cast<float>(static_cast<int>((b.q[i] >> 4) | ((high >> (i + 16)) & 1u) << 4) - 16);
    }
  }

  static Block pack(uint16_t d, const int8_t q[32]) {
    Block b;
    b.d = d;
    uint32_t high = 0;
    for (int i = 0; i < 32; i++) high |= static_cast<uint32_t>((q[i] + 16) >> 4) << i;
    for (int i = 0; i < 4; i++) b.high[i] = static_cast<uint8_t>(high >> 8 * i);
    for (int i = 0; i < 16; i++) b.q[i] = static_cast<uint8_t>(((q[i] + 16) & 15) | ((q[i + 16] + 16) & 15) << 4);
    return b;
  }

  static void quantize(const float* x, void* blocks, int64_t n) { quantize_symmetric<Q5_0>(x, blocks, n); }
};

}  // namespace
}  // namespace owl3::gguf
