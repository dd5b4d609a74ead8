// Fitting x ~ d * q - m with q in [0, qmax] and m >= 0, for the super-blocks of Q4_K and Q5_K: eight groups of 32
// values, whose scales and mins have six bits each.
#pragma once
#include "gguf/formats/simd.h"

namespace owl3::gguf {
namespace {

/// The eight scales and eight mins of a super-block from their 96 bits.
OWL3_INLINE void unpack_scales(const uint8_t packed[12], uint8_t scale[8], uint8_t min[8]) {
  for (int j = 0; j < 4; j++) {
    scale[j] = packed[j] & 63;
    min[j] = packed[j + 4] & 63;
    scale[j + 4] = static_cast<uint8_t>((packed[j + 8] & 15) | ((packed[j] >> 6) << 4));
    min[j + 4] = static_cast<uint8_t>((packed[j + 8] >> 4) | ((packed[j + 4] >> 6) << 4));
  }
}
OWL3_INLINE void pack_scales(const uint8_t scale[8], const uint8_t min[8], uint8_t packed[12]) {
  for (int j = 0; j < 4; j++) {
    packed[j] = static_cast<uint8_t>(scale[j] | ((scale[j + 4] >> 4) << 6));
    packed[j + 4] = static_cast<uint8_t>(min[j] | ((min[j + 4] >> 4) << 6));
    packed[j + 8] = static_cast<uint8_t>((scale[j + 4] & 15) | ((min[j + 4] & 15) << 4));
  }
}

/// Least squares (d, m) over roundings of x to finer and coarser grids between its minimum and its maximum.
OWL3_INLINE void search_affine(const F32x8* x, float qmax, F32x8& best_d, F32x8& best_m) {
  const F32x8 zero{};
  F32x8 low = zero, high = x[0], sum = zero;
  for (int i = 0; i < 32; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
    sum += x[i];
  }
  high = high > low ? high : low;
  F32x8 inverse_range;
  reciprocal(high - low, inverse_range);
  best_d = zero;
  best_m = -low;
  // Gains count from sum x^2: the error of fit (d, m) is sum x^2 - gain.
  F32x8 best_gain = zero - 3e38f;
  for (int c = -16; c < 8; c++) {  // more steps or rounds gain under 0.5 % of RMSE
    const F32x8 inverse = inverse_range * (qmax + 0.1f * static_cast<float>(c));
    F32x8 q1 = zero, qq = zero, xq = zero;
    for (int i = 0; i < 32; i++) {
      F32x8 q = (x[i] - low) * inverse;
      clamp_round(q, 0, qmax);
      q1 += q;
      qq += q * q;
      xq += x[i] * q;
    }
    const F32x8 det = 32.0f * qq - q1 * q1;  // an integer, zero when all q are equal
    F32x8 inverse_det, inverse_qq;
    reciprocal(det, inverse_det);
    reciprocal(qq, inverse_qq);
    F32x8 d = (32.0f * xq - sum * q1) * inverse_det;
    F32x8 m = (q1 * xq - qq * sum) * inverse_det;
    const I32x8 through_zero = (m < zero) | (det < 0.5f);  // a grid that starts above zero can't be stored
    d = through_zero ? xq * inverse_qq : d;
    m = through_zero ? zero : m;
    const F32x8 gain = 2.0f * (d * xq - m * sum) - d * d * qq + 2.0f * d * m * q1 - 32.0f * m * m;
    const I32x8 better = (gain > best_gain) & (d > zero);
    best_gain = better ? gain : best_gain;
    best_d = better ? d : best_d;
    best_m = better ? m : best_m;
  }
}

/// Squared error of x against d * q - m with the best q.
OWL3_INLINE void affine_error(const F32x8* x, const F32x8& d, const F32x8& m, float qmax, F32x8& error) {
  F32x8 inverse;
  reciprocal(d, inverse);
  error = F32x8{};
  for (int i = 0; i < 32; i++) {
    F32x8 q = (x[i] + m) * inverse;
    clamp_round(q, 0, qmax);
    const F32x8 e = d * q - m - x[i];
    error += e * e;
  }
}

/// A packed super-block but for its values.
struct AffineScales {
  uint16_t d, dmin;
  uint8_t scale[8], min[8];
};

OWL3_INLINE float round_positive_to_half(float f, uint16_t& half) {
  half = f32_to_f16(f < max_finite ? f : max_finite);
  return f16_to_f32(half);
}

/// A super-block being fitted: x ~ super_d * scale * q - super_m * min.
struct AffineFit {
  F32x8 scale, min;  // integers in [0, 63], a lane a group
  float super_d, super_m;
  F32x8 error;  // squared, of each group
};

/// Moves scales and mins one up or down where that makes the group's error smaller.
OWL3_INLINE void try_neighbours(const F32x8* x, float qmax, AffineFit& f) {
  const F32x8 centre_scale = f.scale, centre_min = f.min;
  for (int ds = -1; ds <= 1; ds++) {
    for (int dm = -1; dm <= 1; dm++) {
      if (ds == 0 && dm == 0) continue;
      F32x8 s = centre_scale + static_cast<float>(ds), t = centre_min + static_cast<float>(dm);
      clamp_round(s, 0, 63);
      clamp_round(t, 0, 63);
      F32x8 error;
      affine_error(x, f.super_d * s, f.super_m * t, qmax, error);
      const I32x8 better = error < f.error;
      f.error = better ? error : f.error;
      f.scale = better ? s : f.scale;
      f.min = better ? t : f.min;
    }
  }
}

/// Solves least squares for super_d and super_m over all 256 values with everything else fixed, and keeps the result
/// where it makes the error smaller.
OWL3_INLINE void refit(const F32x8* x, float qmax, AffineFit& f, AffineScales& s) {
  const F32x8 m = f.super_m * f.min, zero{};
  F32x8 inverse, aa = zero, a1 = zero, xa = zero, x1 = zero;
  reciprocal(f.super_d * f.scale, inverse);
  for (int i = 0; i < 32; i++) {
    F32x8 q = (x[i] + m) * inverse;
    clamp_round(q, 0, qmax);
    const F32x8 a = q * f.scale;
    aa += a * a;
    a1 += a;
    xa += a * x[i];
    x1 += x[i];
  }
  float saa = 0, sab = 0, sbb = 0, sxa = 0, sxb = 0, error = 0;
  for (int l = 0; l < lane_count; l++) {
    saa += aa[l];
    sab += a1[l] * f.min[l];
    sbb += 32 * f.min[l] * f.min[l];
    sxa += xa[l];
    sxb += x1[l] * f.min[l];
    error += f.error[l];
  }
  const float det = saa * sbb - sab * sab;
  if (!(det > tiny_value)) return;
  const float d = (sxa * sbb - sxb * sab) / det, dmin = (sxa * sab - sxb * saa) / det;
  if (!(d > 0) || !(dmin >= 0)) return;
  AffineScales tried = s;
  AffineFit g = f;
  g.super_d = round_positive_to_half(d, tried.d);
  g.super_m = round_positive_to_half(dmin, tried.dmin);
  affine_error(x, g.super_d * g.scale, g.super_m * g.min, qmax, g.error);
  float new_error = 0;
  for (int l = 0; l < lane_count; l++) new_error += g.error[l];
  if (!(new_error < error)) return;
  f = g;
  s = tried;
}

/// Fits one super-block, a lane a group: each group alone, then its scale and min rounded to six bits, both improved.
OWL3_INLINE void fit_affine(const F32x8* x, float qmax, AffineScales& s, uint8_t q[8][32]) {
  F32x8 d, m;
  search_affine(x, qmax, d, m);
  float max_d = 0, max_m = 0;
  for (int l = 0; l < lane_count; l++) {
    max_d = d[l] > max_d ? d[l] : max_d;
    max_m = m[l] > max_m ? m[l] : max_m;
  }
  AffineFit f;
  f.super_d = round_positive_to_half(max_d / 63, s.d);
  f.super_m = round_positive_to_half(max_m / 63, s.dmin);
  f.scale = d * (f.super_d > 0 ? 1 / f.super_d : 0.0f);
  f.min = m * (f.super_m > 0 ? 1 / f.super_m : 0.0f);
  clamp_round(f.scale, 0, 63);
  clamp_round(f.min, 0, 63);
  affine_error(x, f.super_d * f.scale, f.super_m * f.min, qmax, f.error);
  try_neighbours(x, qmax, f);
  refit(x, qmax, f, s);

  m = f.super_m * f.min;
  F32x8 inverse;
  reciprocal(f.super_d * f.scale, inverse);
  for (int l = 0; l < lane_count; l++) {
    s.scale[l] = static_cast<uint8_t>(f.scale[l]);
    s.min[l] = static_cast<uint8_t>(f.min[l]);
  }
  for (int i = 0; i < 32; i++) {
    F32x8 v = (x[i] + m) * inverse;
    clamp_round(v, 0, qmax);
    for (int l = 0; l < lane_count; l++) q[l][i] = static_cast<uint8_t>(v[l]);
  }
}

/// Packs super-blocks of values in [0, max_q] by `Format::pack(q, block)`, which writes all but scales and mins.
template <class Format>
void quantize_affine(const float* x, void* blocks, int64_t n) {
  F32x8 v[32];
  AffineScales s;
  uint8_t q[8][32];
  for (int64_t i = 0; i < n; i++) {
    load_lanes<32>(x + 256 * i, 8, v);
    fit_affine(v, Format::max_q, s, q);
    typename Format::Block b;
    b.d = s.d;
    b.dmin = s.dmin;
    pack_scales(s.scale, s.min, b.scales);
    Format::pack(q, b);
    store_block(b, blocks, i);
  }
}

/// Unpacks a super-block; `value(j, i)` is q of value i of group j.
template <class Block, class Value>
OWL3_INLINE void dequantize_affine(const Block& b, float* y, Value value) {
  const float d = f16_to_f32(b.d), dmin = f16_to_f32(b.dmin);
  uint8_t scale[8], min[8];
  unpack_scales(b.scales, scale, min);
  for (int j = 0; j < 8; j++) {
    const float dj = d * scale[j], mj = dmin * min[j];
    for (int i = 0; i < 32; i++) y[32 * j + i] = dj * static_cast<float>(value(j, i)) - mj;
  }
}

}  // namespace
}  // namespace owl3::gguf
