// Powers of two of sixteen floats, for softmax and the activations.
#pragma once
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

constexpr float log2_e = 1.44269504088896341f;

/// 2^x for x <= 0, exactly 0 below -126 (masked scores are -infinity) and for NaN. Relative error at most 1e-7: a
/// minimax polynomial of degree 6 on [-1/2, 1/2] (Remez; 1.9e-9 in exact arithmetic, 7.9e-8 with every step rounded to
/// float, measured over 2 million points).
inline Lanes exp2_lanes(Lanes x) {
  const Lanes n = round_even(max(x, splat(-127.0f))), f = x - n;
  Lanes r = splat(0.000153458124f);
  r = fma(r, f, splat(0.00133999309f));
  r = fma(r, f, splat(0.00961848907f));
  r = fma(r, f, splat(0.0555032864f));
  r = fma(r, f, splat(0.240226462f));
  r = fma(r, f, splat(0.693147182f));
  r = fma(r, f, splat(1.0f));
  return scale_or_zero(r, n, x);
}

/// exp2_lanes() with a relative error of at most 8e-5 (degree 3), for results that are rounded to bfloat16 (4e-3) right after.
inline Lanes exp2_coarse(Lanes x) {
  const Lanes n = round_even(max(x, splat(-127.0f))), f = x - n;
  Lanes r = splat(0.0551716685f);
  r = fma(r, f, splat(0.242611125f));
  r = fma(r, f, splat(0.693260968f));
  r = fma(r, f, splat(0.999928057f));
  return scale_or_zero(r, n, x);
}

/// 1 / (1 + e^-x), exactly 0 and 1 far out; 0 for NaN. Relative error below 3e-7.
inline Lanes sigmoid(Lanes x) {
  const Lanes e = exp2_lanes(absolute(x) * splat(-log2_e));
  return choose(x, splat(1), e) / (splat(1) + e);
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
