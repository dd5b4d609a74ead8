// Sixteen floats that are computed with together: `Lanes`, in the instruction set that OWL3_LANES names. A kernel
// written with it is compiled once an instruction set, each copy in its own namespace (owl3::avx2, owl3::avx512, ...).
// Kernels use no inline function or template of the standard library: the linker keeps one copy of such a function for
// everybody, and it may be the one compiled for the newest instructions.
//
//   load, load_f16, load_i8   sixteen values of that type as floats;  store, store_f16 (round to nearest even)
//   fma(a, b, c)              a * b + c;   first(a, rest, n)   a's first n lanes, `rest` in the others
//   sum, largest              over the lanes, in one fixed order (a tree of halves)
//   tile_rows, tile_groups    rows and groups of sixteen columns whose accumulators fit the registers (attention)
//   product_rows, _groups     the same for matrix products, which have more columns
#pragma once

#if defined(OWL3_LANES_AVX512)
#include "cpu/simd/avx512.h"
#elif defined(OWL3_LANES_AVX2)
#include "cpu/simd/avx2.h"
#elif defined(OWL3_LANES_NEON)
#include "cpu/simd/neon.h"
#else
#include "cpu/simd/scalar.h"
#endif

namespace owl3::OWL3_LANES {

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

/// The same with relative error at most 8e-5 (degree 3), for results that are rounded to bfloat16 (4e-3) right after.
inline Lanes exp2_coarse(Lanes x) {
  const Lanes n = round_even(max(x, splat(-127.0f))), f = x - n;
  Lanes r = splat(0.0551716685f);
  r = fma(r, f, splat(0.242611125f));
  r = fma(r, f, splat(0.693260968f));
  r = fma(r, f, splat(0.999928057f));
  return scale_or_zero(r, n, x);
}

}  // namespace owl3::OWL3_LANES
