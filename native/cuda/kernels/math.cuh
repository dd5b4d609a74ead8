// Functions that have the same bits on every device and in the simulation: written out in additions, products and fmaf.
// Kernels are compiled without contraction (-fmad=false, -ffp-contract=off), so nothing else is fused.
#pragma once
#include "cuda/simt/simt.h"

namespace owl3::cuda {

constexpr float log2_e = 1.44269504088896341f;

OWL3_DEVICE float minus_infinity() {
  return simt::as_float(0xff800000u);
}
OWL3_DEVICE int min_of(int a, int b) {
  return a < b ? a : b;
}

/// Infinities become NaN, and NaN the one without a sign.
OWL3_DEVICE float finite_or_nan(float x) {
  return fabsf(x) <= 3.4028234e38f ? x : simt::as_float(0x7fc00000u);
}

/// 2^x for x <= 0, 0 below -126, NaN for NaN. The polynomial of cpu/simd/exp2.h: relative error at most 1e-7.
OWL3_DEVICE float power_of_two(float x) {
  if (!(x >= -126.0f)) return x != x ? x : 0.0f;
  const float n = simt::round_even(x), f = x - n;
  float r = 0.000153458124f;
  r = fmaf(r, f, 0.00133999309f);
  r = fmaf(r, f, 0.00961848907f);
  r = fmaf(r, f, 0.0555032864f);
  r = fmaf(r, f, 0.240226462f);
  r = fmaf(r, f, 0.693147182f);
  r = fmaf(r, f, 1.0f);
  return r * simt::as_float(static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23);
}

/// 1 / (1 + e^-x).
OWL3_DEVICE float sigmoid(float x) {
  const float e = power_of_two(fabsf(x) * -log2_e);
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/// x (1 + tanh(u)) / 2 = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3).
OWL3_DEVICE float gelu_tanh(float x) {
  const float u2 = x * fmaf(x * x, 2 * 0.7978845608f * 0.044715f, 2 * 0.7978845608f);
  return x * sigmoid(u2);
}

/// x (1 + erf(x / sqrt 2)) / 2 with Abramowitz and Stegun 7.1.26, as cpu/gemm/kernels.cpp has it.
OWL3_DEVICE float gelu_erf(float x) {
  const float z = fabsf(x) * 0.70710678118f, t = 1.0f / fmaf(z, 0.3275911f, 1.0f);
  float p = 1.061405429f;
  p = fmaf(p, t, -1.453152027f);
  p = fmaf(p, t, 1.421413741f);
  p = fmaf(p, t, -0.284496736f);
  p = fmaf(p, t, 0.254829592f);
  const float half = 0.5f * x * p * t * power_of_two(z * z * -log2_e);  // x erfc(|x| / sqrt 2) / 2
  return x < 0.0f ? half : x - half;
}

/// Rounds to nearest even; NaN stays NaN.
OWL3_DEVICE uint16_t float_to_bf16(float f) {
  const uint32_t u = simt::as_bits(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((u >> 16) | 0x40u);
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
OWL3_DEVICE float bf16_to_float(uint16_t h) {
  return simt::as_float(static_cast<uint32_t>(h) << 16);
}
OWL3_DEVICE uint32_t pair_of(uint16_t low, uint16_t high) {
  return low | static_cast<uint32_t>(high) << 16;
}

OWL3_DEVICE float warp_sum(float v) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) v += simt::shuffle_xor(v, mask);
  return v;
}
OWL3_DEVICE uint32_t warp_max(uint32_t v) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    const uint32_t other = simt::shuffle_xor(v, mask);
    v = v > other ? v : other;
  }
  return v;
}
/// NaN counts as nothing.
OWL3_DEVICE float warp_max(float v) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) v = fmaxf(v, simt::shuffle_xor(v, mask));
  return v;
}

}  // namespace owl3::cuda
