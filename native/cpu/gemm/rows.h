// Rows of activations before a product: normalised, and rounded to int8 blocks.
#pragma once
#include "cpu/gemm/kernels.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

using namespace gemm;

inline void store_some(float* p, Lanes x, int64_t n) {
  if (n >= 16) return store(p, x);
  float tmp[16];
  store(tmp, x);
  for (int64_t i = 0; i < n; ++i) p[i] = tmp[i];
}

inline void norm_row(const ops::Norm& norm, const float* x, float* y, int64_t k, int64_t padded) {
  Lanes shift = splat(0), scale = splat(1);
  if (norm.kind != ops::NormKind::none) {
    if (norm.kind == ops::NormKind::layer) {
      Lanes total = splat(0);
      for (int64_t i = 0; i < k; i += 16) total = total + load_some(x + i, k - i);
      shift = splat(reduce_add(total) / static_cast<float>(k));
    }
    Lanes squares = splat(0);
    for (int64_t i = 0; i < k; i += 16) {
      Lanes d = load_some(x + i, k - i) - shift;
      if (k - i < 16) d = first(d, 0, static_cast<int>(k - i));
      squares = fma(d, d, squares);
    }
    scale = splat(1.0f / __builtin_sqrtf(reduce_add(squares) / static_cast<float>(k) + norm.eps));
  }
  for (int64_t i = 0; i < padded; i += 16) {
    Lanes v = splat(0);
    if (i < k) {
      v = load_some(x + i, k - i);
      if (norm.kind != ops::NormKind::none) {
        v = (v - shift) * scale * load_some(norm.weight + i, k - i);
        if (norm.bias) v = v + load_some(norm.bias + i, k - i);
      }
    }
    store(y + i, v);
  }
}

// An activation scale is a power of two times one of four constants. So a kernel can multiply a block's sum by the
// power, on pipes that products leave free, and the weights' scales by the constant once for many rows, instead of one
// more product for each row and block; and results are unchanged, because multiplying by a power of two is exact. The
// step grows by 2^(1/4) at most, and by 1.09 as a mean square. (Eight constants would be 1.05, and cost products 2 to 3 %,
// since twice as many scales have to stay in L1.)
constexpr int scale_steps = 4;
constexpr float scale_step[scale_steps + 1] = {1.0f, 1.18920712f, 1.41421356f, 1.68179283f, 2.0f};
constexpr float inverse_step[scale_steps + 1] = {1.0f, 1 / scale_step[1], 1 / scale_step[2], 1 / scale_step[3], 0.5f};

struct GridScale {
  float scale, inverse;
};
/// The least scale of the grid that is not below x (in [2^-100, 2^123], or infinity), and its inverse.
inline GridScale grid_scale(float x) {
  const auto bits = __builtin_bit_cast(uint32_t, x), power = bits & 0x7f800000;
  const float part = __builtin_bit_cast(float, (bits & 0x007fffff) | 0x3f800000);
  // Added up, since a branch would be guessed wrong half of the time.
  const int i = (part > scale_step[0]) + (part > scale_step[1]) + (part > scale_step[2]) + (part > scale_step[3]);
  return {__builtin_bit_cast(float, power) * scale_step[i],
          __builtin_bit_cast(float, 0x7f000000 - power) * inverse_step[i]};
}
/// Splits a scale of the grid (or 0, or infinity) into its power-of-two exponent (infinity for infinity)
inline float scale_exponent(float scale) {
  const int exponent = static_cast<int>(__builtin_bit_cast(uint32_t, scale) >> 23) - 127;
  return exponent == 128 ? __builtin_inff() : static_cast<float>(exponent);
}
/// and the index of its mantissa constant.
inline int scale_constant(float scale) {  // mantissas of the constants are nearest to 0, 1, 2 and 3 quarters
  return static_cast<int>(((__builtin_bit_cast(uint32_t, scale) & 0x007fffff) + (1u << 20)) >> 21);
}

/// A block stands out when its scale is 1.7 times the geometric mean of its row's, which few blocks of normal values are:
/// the difference of the logarithms to the base of 2, in units of a float's bits.
constexpr int64_t outlying = 6421500;

/// The residuals of a row that was rounded. What is compared are the bits of scales, which are nearly their logarithms.
inline void find_residuals(const float* x, int64_t padded, const Int8Rows& rows, int64_t row) {
  const int64_t blocks = padded / 32, at = row * (rows.padded / 32);
  const float* scale = rows.scale + at;
  const Residuals& to = rows.residuals;
  constexpr uint32_t infinity = 0x7f800000;
  int64_t total = 0, sized = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    const auto bits = __builtin_bit_cast(uint32_t, scale[b]);
    total += bits;
    sized += bits != 0;
  }
  const int64_t least = to.everywhere || sized == 0 ? 0 : total / sized + outlying;
  int32_t count = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    const auto bits = __builtin_bit_cast(uint32_t, scale[b]);
    if (bits <= least || bits >= infinity) continue;
    to.found[at + count++] = residual_key(b, row);
    const int8_t* q = rows.q + 32 * (at + b);
    const Lanes inverse = splat(1 / (scale[b] * residual_step)), back = splat(-scale[b]);
    int32_t sums[2];
    round_to_int8(fma(load_i8(q), back, load(x + 32 * b)) * inverse,
                  fma(load_i8(q + 16), back, load(x + 32 * b + 16)) * inverse, to.q + 32 * (at + b), sums);
    to.sum[at + b] = sums[0] + sums[1];
  }
  to.count[row] = count;
}

inline void to_int8(const float* x, int64_t padded, const Int8Rows& rows, int64_t row) {
  const int64_t blocks = rows.padded / 32;
  int8_t* q = rows.q + row * rows.padded;
  float *scale = rows.scale + row * blocks, *negsum = rows.negsum + row * blocks;
  int32_t* sums = rows.sum + row * blocks * 2;
  for (int64_t b = 0; b < padded / 32; ++b) {
    const Lanes x0 = load(x + 32 * b), x1 = load(x + 32 * b + 16);
    const float amax = reduce_max(max(absolute(x0), absolute(x1)));
    // Below 1e-28 the product of two scales may lose bits: such blocks are flushed to zero.
    const bool zero = !(amax > 1e-28f), infinite = amax > 3.4e38f;
    const GridScale grid = grid_scale(amax * (1 / 127.0f));
    scale[b] = zero ? 0.0f : grid.scale;
    const Lanes inverse = splat(zero || infinite ? 0.0f : grid.inverse);
    round_to_int8(x0 * inverse, x1 * inverse, q + 32 * b, sums + 2 * b);
    negsum[b] = -(scale[b] * static_cast<float>(sums[2 * b] + sums[2 * b + 1]));
  }
  for (int64_t b = padded / 32; b < blocks; ++b) {
    __builtin_memset(q + 32 * b, 0, 32);
    scale[b] = negsum[b] = 0;
    sums[2 * b] = sums[2 * b + 1] = 0;
  }
  if (rows.residuals.q) find_residuals(x, padded, rows, row);
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
