// The bytes of each quantised block, as they lie in a file (little-endian, no padding).
#pragma once
#include <cstdint>

namespace owl3::gguf {

/// 32 values d * q.
struct BlockQ8_0 {
  uint16_t d;  ///< IEEE half
  int8_t q[32];
};
/// 32 values d * (q - 8). Byte i holds values i (low nibble) and i + 16.
struct BlockQ4_0 {
  uint16_t d;
  uint8_t q[16];
};
/// 32 values d * (q - 16): low four bits as in Q4_0, bit i of `high` is the fifth of value i.
struct BlockQ5_0 {
  uint16_t d;
  uint8_t high[4];
  uint8_t q[16];
};
/// 8 groups j of 32 values d * scale_j * q - dmin * min_j; scales and mins have six bits each, see unpack_scales. Byte
/// 32 * k + i holds value i of group 2k (low nibble) and of group 2k + 1.
struct BlockQ4_K {
  uint16_t d, dmin;
  uint8_t scales[12];
  uint8_t q[128];
};
/// As Q4_K; bit j of high[i] is the fifth bit of value i of group j.
struct BlockQ5_K {
  uint16_t d, dmin;
  uint8_t scales[12];
  uint8_t high[32];
  uint8_t q[128];
};
/// 16 groups of 16 values d * scale * (q - 32). In each half of 128 values: byte i < 64 of `low` holds the low nibbles
/// of values i and i + 64; byte i < 32 of `high` the upper two bits of values i, i + 32, i + 64, i + 96.
struct BlockQ6_K {
  uint8_t low[128];
  uint8_t high[64];
  int8_t scales[16];
  uint16_t d;
};
static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockQ4_0) == 18 && sizeof(BlockQ5_0) == 22);
static_assert(sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210);
static_assert(alignof(BlockQ8_0) == 2 && alignof(BlockQ4_K) == 2 && alignof(BlockQ6_K) == 2);

/// The eight scales and eight mins of Q4_K and Q5_K.
static inline void unpack_scales(const uint8_t packed[12], uint8_t scale[8], uint8_t min[8]) {
  for (int j = 0; j < 4; j++) {
    scale[j] = packed[j] & 63;
    min[j] = packed[j + 4] & 63;
    scale[j + 4] = static_cast<uint8_t>((packed[j + 8] & 15) | ((packed[j] >> 6) << 4));
    min[j + 4] = static_cast<uint8_t>((packed[j + 8] >> 4) | ((packed[j + 4] >> 6) << 4));
  }
}
static inline void pack_scales(const uint8_t scale[8], const uint8_t min[8], uint8_t packed[12]) {
  for (int j = 0; j < 4; j++) {
    packed[j] = static_cast<uint8_t>(scale[j] | ((scale[j + 4] >> 4) << 6));
    packed[j + 4] = static_cast<uint8_t>(min[j] | ((min[j + 4] >> 4) << 6));
    packed[j + 8] = static_cast<uint8_t>((scale[j + 4] & 15) | ((min[j + 4] & 15) << 4));
  }
}

}  // namespace owl3::gguf
