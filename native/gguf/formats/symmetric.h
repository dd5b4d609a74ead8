// Fitting x ~ d * q with q in [-nmax, nmax - 1]: the scale d of least squared error, by search.
#pragma once
#include "gguf/formats/simd.h"

namespace owl3::gguf {
namespace {

/// Squared error of rounding x to multiples of d.
template <int N>
OWL3_INLINE void symmetric_error(const F32x8* x, const F32x8& d, float nmax, F32x8& error) {
  F32x8 inverse;
  reciprocal(d, inverse);
  error = F32x8{};
  for (int i = 0; i < N; i++) {
    F32x8 q = x[i] * inverse;
    clamp_round(q, -nmax, nmax - 1);
    const F32x8 e = d * q - x[i];
    error += e * e;
  }
}

/// `best`: the scale of least squared error among those fitted to roundings of x at scales around extreme / nmax.
/// `extreme`: the value of largest magnitude, with its sign.
template <int N>
OWL3_INLINE void search_symmetric(const F32x8* x, float nmax, F32x8& extreme, F32x8& best) {
  const F32x8 zero{};
  F32x8 max_abs = zero;
  extreme = zero;
  for (int i = 0; i < N; i++) {
    const F32x8 a = x[i] < zero ? -x[i] : x[i];
    const I32x8 more = a > max_abs;
    max_abs = more ? a : max_abs;
    extreme = more ? x[i] : extreme;
  }
  F32x8 inverse_extreme;
  reciprocal(extreme, inverse_extreme);
  best = zero;
  F32x8 best_gain = zero;
  // The extreme value goes to the longer, negative side. Trying the positive one too, for twice the work, gains under
  // 0.1 % of RMSE.
  const float step = nmax >= 32 ? 0.2f : 0.1f;
  for (int c = -9; c < 9; c++) {
    const float at = -(nmax + step * static_cast<float>(c));
    const F32x8 inverse = inverse_extreme * at;
    F32x8 xq = zero, qq = zero;
    for (int i = 0; i < N; i++) {
      F32x8 q = x[i] * inverse;
      clamp_round(q, -nmax, nmax - 1);
      xq += x[i] * q;
      qq += q * q;
    }
    F32x8 inverse_qq;
    reciprocal(qq, inverse_qq);
    const F32x8 scale = xq * inverse_qq, gain = scale * xq;  // gain = sum x^2 - squared error
    const I32x8 better = gain > best_gain;
    best_gain = better ? gain : best_gain;
    best = better ? scale : best;
  }
}

/// Fits eight blocks of 32 at once: their scales and the rounded values.
OWL3_INLINE void fit_symmetric(const F32x8* x, float nmax, uint16_t* half, int8_t q[lane_count][32]) {
  F32x8 extreme, d;
  search_symmetric<32>(x, nmax, extreme, d);
  F32x8 plain = extreme / -nmax;  // what a quantiser without a search takes: never be worse than that
  uint16_t plain_half[lane_count];
  round_to_half(d, half);
  round_to_half(plain, plain_half);
  F32x8 error, plain_error;
  symmetric_error<32>(x, d, nmax, error);
  symmetric_error<32>(x, plain, nmax, plain_error);
  const I32x8 take_plain = plain_error < error;
  d = take_plain ? plain : d;
  F32x8 inverse;
  reciprocal(d, inverse);
  for (int l = 0; l < lane_count; l++)
    if (take_plain[l]) half[l] = plain_half[l];
  for (int i = 0; i < 32; i++) {
    F32x8 v = x[i] * inverse;
    clamp_round(v, -nmax, nmax - 1);
    for (int l = 0; l < lane_count; l++) q[l][i] = static_cast<int8_t>(v[l]);
  }
}

/// Packs blocks of 32 values by `Format::pack(d, q)`, d a half and q in [-max_q, max_q - 1].
template <class Format>
void quantize_symmetric(const float* x, void* blocks, int64_t n) {
  F32x8 v[32];
  int8_t q[lane_count][32];
  uint16_t d[lane_count];
  for (int64_t first = 0; first < n; first += lane_count) {
    load_lanes<32>(x + first * 32, n - first, v);
    fit_symmetric(v, Format::max_q, d, q);
    for (int l = 0; l < lane_count && first + l < n; l++) store_block(Format::pack(d[l], q[l]), blocks, first + l);
  }
}

}  // namespace
}  // namespace owl3::gguf
