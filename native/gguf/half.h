// IEEE half and bfloat16 conversions. They round to nearest even, and NaN stays NaN. The namespace is anonymous because
// this header is compiled with several instruction sets: the linker would keep one copy of a shared inline function,
// and that could be one that this machine cannot run.
#pragma once
#include <cstdint>

namespace owl3::gguf {
namespace {

/// Exact; NaN keeps its payload. The code has no branches, so that compilers vectorise it.
inline float f16_to_f32(uint16_t h) {
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

/// Values of magnitude 65520 and more become infinity.
inline uint16_t f32_to_f16(float f) {
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

/// Exact.
inline float bf16_to_f32(uint16_t h) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(h) << 16);
}

inline uint16_t f32_to_bf16(float f) {
  const uint32_t u = __builtin_bit_cast(uint32_t, f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((u >> 16) | 0x40u);  // quiet NaN
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

}  // namespace
}  // namespace owl3::gguf
