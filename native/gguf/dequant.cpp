// The table of formats and unpacking. Each value is computed with the same roundings, in the same order, as Python gguf
// does.
#include <cstring>
#include <string>

#include "base/checked.h"
#include "gguf/blocks.h"
#include "gguf/half.h"
#include "gguf/quant.h"

namespace owl3::gguf {

static constexpr Format kFormats[] = {
    {DType::f32, "F32", 1, 4},
    {DType::f16, "F16", 1, 2},
    {DType::bf16, "BF16", 1, 2},
    {DType::q8_0, "Q8_0", 32, sizeof(BlockQ8_0)},
    {DType::q4_0, "Q4_0", 32, sizeof(BlockQ4_0)},
    {DType::q5_0, "Q5_0", 32, sizeof(BlockQ5_0)},
    {DType::q4_k, "Q4_K", 256, sizeof(BlockQ4_K)},
    {DType::q5_k, "Q5_K", 256, sizeof(BlockQ5_K)},
    {DType::q6_k, "Q6_K", 256, sizeof(BlockQ6_K)},
};

const Format* find_format(uint32_t type) {
  for (const Format& f : kFormats)
    if (static_cast<uint32_t>(f.type) == type) return &f;
  return nullptr;
}

const Format* find_format(std::string_view name) {
  for (const Format& f : kFormats)
    if (f.name == name) return &f;
  return nullptr;
}

const Format& format(DType type) {
  const Format* f = find_format(static_cast<uint32_t>(type));
  if (!f) throw Error(ErrorCode::internal, "no format " + std::to_string(static_cast<uint32_t>(type)));
  return *f;
}

uint64_t row_bytes(DType type, int64_t cols) {
  const Format& f = format(type);
  if (cols < 0 || cols % f.block_size != 0)
    throw Error(ErrorCode::bad_model, "a row of " + std::to_string(cols) + " values is no multiple of " + f.name +
                                          "'s block of " + std::to_string(f.block_size));
  return checked_mul(static_cast<uint64_t>(cols) / f.block_size, f.block_bytes, "row");
}

float f16_to_f32(uint16_t h) {
  return half_to_float(h);
}
uint16_t f32_to_f16(float f) {
  return float_to_half(f);
}

uint16_t f32_to_bf16(float f) {
  const uint32_t u = __builtin_bit_cast(uint32_t, f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((u >> 16) | 0x40u);  // quiet NaN
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

static void unpack(const BlockQ8_0& b, float* dst) {
  const float d = half_to_float(b.d);
  for (int i = 0; i < 32; i++) dst[i] = static_cast<float>(b.q[i]) * d;
}

static void unpack(const BlockQ4_0& b, float* dst) {
  const float d = half_to_float(b.d);
  for (int i = 0; i < 16; i++) {
    dst[i] = d * static_cast<float>((b.q[i] & 15) - 8);
    dst[i + 16] = d * static_cast<float>((b.q[i] >> 4) - 8);
  }
}

static void unpack(const BlockQ5_0& b, float* dst) {
  const float d = half_to_float(b.d);
  uint32_t high;
  std::memcpy(&high, b.high, 4);
  for (int i = 0; i < 16; i++) {
    dst[i] = d * static_cast<float>(static_cast<int>((b.q[i] & 15u) | ((high >> i) & 1u) << 4) - 16);
    dst[i + 16] = d * static_cast<float>(static_cast<int>((b.q[i] >> 4) | ((high >> (i + 16)) & 1u) << 4) - 16);
  }
}

static void unpack(const BlockQ4_K& b, float* dst) {
  const float d = half_to_float(b.d), dmin = half_to_float(b.dmin);
  uint8_t scale[8], min[8];
  unpack_scales(b.scales, scale, min);
  for (int j = 0; j < 8; j++) {
    const float dj = d * scale[j], mj = dmin * min[j];
    const uint8_t* q = b.q + j / 2 * 32;
    const int shift = j % 2 * 4;
    for (int i = 0; i < 32; i++) dst[32 * j + i] = dj * static_cast<float>((q[i] >> shift) & 15) - mj;
  }
}

static void unpack(const BlockQ5_K& b, float* dst) {
  const float d = half_to_float(b.d), dmin = half_to_float(b.dmin);
  uint8_t scale[8], min[8];
  unpack_scales(b.scales, scale, min);
  for (int j = 0; j < 8; j++) {
    const float dj = d * scale[j], mj = dmin * min[j];
    const uint8_t* q = b.q + j / 2 * 32;
    const int shift = j % 2 * 4;
    for (int i = 0; i < 32; i++)
      dst[32 * j + i] = dj * static_cast<float>(((q[i] >> shift) & 15) | ((b.high[i] >> j) & 1) << 4) - mj;
  }
}

static void unpack(const BlockQ6_K& b, float* dst) {
  const float d = half_to_float(b.d);
  for (int j = 0; j < 8; j++) {  // 32 values at a time
    const int half = j / 4, part = j % 4;
    const uint8_t* low = b.low + 64 * half + part % 2 * 32;
    const uint8_t* high = b.high + 32 * half;
    const int low_shift = part / 2 * 4, high_shift = 2 * part;
    for (int i = 0; i < 32; i++) {
      const int group = 2 * j + i / 16;
      const float scale = d * static_cast<float>(b.scales[group]);
      const int q = ((low[i] >> low_shift) & 15) | ((high[i] >> high_shift) & 3) << 4;
      dst[32 * j + i] = scale * static_cast<float>(q - 32);
    }
  }
}

template <class Block>
static void unpack_blocks(const void* src, float* dst, int64_t n, int64_t block_size) {
  Block b;  // a copy: src need not be aligned
  for (int64_t i = 0; i < n / block_size; i++) {
    std::memcpy(&b, static_cast<const char*>(src) + i * static_cast<int64_t>(sizeof b), sizeof b);
    unpack(b, dst + i * block_size);
  }
}

void dequantize_row(DType type, const void* src, float* dst, int64_t n) {
  row_bytes(type, n);  // checks n
  switch (type) {
    case DType::f32:
      std::memcpy(dst, src, static_cast<size_t>(n) * 4);
      return;
    case DType::f16:
    case DType::bf16:
      for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        std::memcpy(&h, static_cast<const char*>(src) + 2 * i, 2);
        dst[i] = type == DType::f16 ? half_to_float(h) : bf16_to_f32(h);
      }
      return;
    case DType::q8_0:
      return unpack_blocks<BlockQ8_0>(src, dst, n, 32);
    case DType::q4_0:
      return unpack_blocks<BlockQ4_0>(src, dst, n, 32);
    case DType::q5_0:
      return unpack_blocks<BlockQ5_0>(src, dst, n, 32);
    case DType::q4_k:
      return unpack_blocks<BlockQ4_K>(src, dst, n, 256);
    case DType::q5_k:
      return unpack_blocks<BlockQ5_K>(src, dst, n, 256);
    case DType::q6_k:
      return unpack_blocks<BlockQ6_K>(src, dst, n, 256);
  }
}

}  // namespace owl3::gguf
