// Q4_K: 8 groups j of 32 values d * scale_j * q - dmin * min_j.
#pragma once
#include "gguf/formats/affine.h"

namespace owl3::gguf {

struct BlockQ4_K {
  uint16_t d, dmin;    ///< IEEE halves
  uint8_t scales[12];  ///< see unpack_scales
  uint8_t q[128];      ///< byte 32 * k + i holds value i of groups 2k (low nibble) and 2k + 1
};
static_assert(sizeof(BlockQ4_K) == 144 && alignof(BlockQ4_K) == 2);

namespace {

struct Q4_K {
  using Block = BlockQ4_K;
  static constexpr int block_size = 256;
  static constexpr int max_q = 15;

  static void dequantize(const Block& b, float* y) {
    dequantize_affine(b, y, [&](int j, int i) { return (b.q[j / 2 * 32 + i] >> (j % 2 * 4)) & 15; });
  }

  static void pack(const uint8_t q[8][32], Block& b) {
    for (int k = 0; k < 4; k++)
      for (int i = 0; i < 32; i++)
        b.q[32 * k + i] = static_cast<uint8_t>((q[2 * k][i] & 15) | (q[2 * k + 1][i] & 15) << 4);
  }

  static void quantize(const float* x, void* blocks, int64_t n) { quantize_affine<Q4_K>(x, blocks, n); }
};

}  // namespace
}  // namespace owl3::gguf
