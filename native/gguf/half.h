// IEEE half precision in portable, branch-poor code. `static`: these are compiled once per instruction set (see
// quant_search.h), and a shared inline copy could be the one for a machine that this one is not.
#pragma once
#include <cstdint>

namespace owl3::gguf {

/// Exact; NaN keeps its payload.
static inline float half_to_float(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  const uint32_t magnitude = h & 0x7fffu;
  // Subnormal halves are integer multiples of 2^-24, which floats hold exactly.
  const uint32_t subnormal =
      __builtin_bit_cast(uint32_t, static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f);
  const uint32_t normal = (magnitude << 13) + (112u << 23);
  const uint32_t special = (magnitude << 13) | 0x7f800000u;  // infinity and NaN
  const uint32_t bits = magnitude < 0x0400u ? subnormal : magnitude < 0x7c00u ? normal : special;
  return __builtin_bit_cast(float, sign | bits);
}

/// Round to nearest even; past 65519 to infinity; NaN stays NaN.
static inline uint16_t float_to_half(float f) {
  const uint32_t u = __builtin_bit_cast(uint32_t, f);
  const uint32_t sign = (u >> 16) & 0x8000u;
  const uint32_t a = u & 0x7fffffffu;
  // Adding 0.5 leaves a multiple of 2^-24 in the low bits, rounded by the addition itself.
  const uint32_t subnormal = __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, a) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (a + 0xfffu + ((a >> 13) & 1u) - (112u << 23)) >> 13;
  const uint32_t special = a > 0x7f800000u ? 0x7e00u | ((a >> 13) & 0x3ffu) : 0x7c00u;
  const uint32_t h = a < 0x38800000u ? subnormal : a < 0x477ff000u ? normal : special;
  return static_cast<uint16_t>(sign | h);
}

}  // namespace owl3::gguf
