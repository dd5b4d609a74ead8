// Q5_K: as Q4_K, with five bits a value.
#pragma once
#include "gguf/formats/affine.h"

namespace owl3::gguf {

struct BlockQ5_K {
  uint16_t d, dmin;    ///< IEEE halves
  uint8_t scales[12];  ///< see unpack_scales
  uint8_t high[32];    ///< bit j of high[i] is the fifth bit of value i of group j
  uint8_t q[128];      ///< the low four bits, as in Q4_K
};
static_assert(sizeof(BlockQ5_K) == 176 && alignof(BlockQ5_K) == 2);

namespace {

struct Q5_K {
  using Block = BlockQ5_K;
  static constexpr int block_size = 256;
  static constexpr int max_q = 31;

  static void dequantize(const Block& b, float* y) {
    dequantize_affine(
        b, y, [&](int j, int i) { return ((b.q[j / 2 * 32 + i] >> (j % 2 * 4)) & 15) | ((b.high[i] >> j) & 1) << 4; });
  }

  static void pack(const uint8_t q[8][32], Block& b) {
    for (int k = 0; k < 4; k++)
      for (int i = 0; i < 32; i++)
        b.q[32 * k + i] = static_cast<uint8_t>((q[2 * k][i] & 15) | (q[2 * k + 1][i] & 15) << 4);
    for (int i = 0; i < 32; i++) {
      int high = 0;
      for (int j = 0; j < 8; j++) high |= (q[j][i] >> 4) << j;
      b.high[i] = static_cast<uint8_t>(high);
    }
  }

  static void quantize(const float* x, void* blocks, int64_t n) { quantize_affine<Q5_K>(x, blocks, n); }
};

}  // namespace
}  // namespace owl3::gguf
