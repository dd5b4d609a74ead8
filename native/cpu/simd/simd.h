// `Lanes`: a vector of sixteen floats, in the instruction set whose header OWL3_SIMD names. A kernel file is compiled
// once for each instruction set in ../CMakeLists.txt, which defines OWL3_ISA (avx2, ...) and OWL3_SIMD.
//
// Every function of a kernel file has internal linkage (an unnamed namespace inside owl3::cpu::<isa>), and none is an
// inline function or a template of the standard library: the linker keeps one copy of such a function for everybody,
// and it may be the one compiled for the newest instructions. test/native/cpu/symbols.test.cpp checks the objects.
//
//   load, load_f16, load_i8    sixteen values of that type as floats
//   store, store_f16           the way back (round to nearest even)
//   fma(a, b, c)               a * b + c
//   first(a, rest, n)          a's first n lanes, `rest` in the others
//   choose(x, a, b)            a where x >= 0, else b (also where x is NaN)
//   reduce_add, reduce_max     over the lanes, in one fixed order (a tree of halves)
//   round_even                 to the nearest integer, ties to even
//   scale_or_zero(a, n, x)     a * 2^n for an integer n in [-126, 0]; 0 where x < -126, -infinity or NaN
//
//   dot_bits(n)                for which kernel of int8 products values of n bits are: n where it depends on n, 8 where one
//                              does for all, 0 where there is none
//
// Register tiles (accumulators that fit the registers): tile_rows x tile_groups of sixteen columns in attention,
// gemm_tile_rows x gemm_tile_panels in float GEMM, which has more columns, int8_tile_rows(dot_bits) x
// int8_tile_panels in int8 GEMM, gemv_tile_rows in GEMV.
#pragma once
#include <cstdint>

#include OWL3_SIMD

namespace owl3::cpu::OWL3_ISA {
namespace {

inline Lanes absolute(Lanes x) {
  return max(x, splat(0) - x);
}

/// p[0, n) and zeros behind it, n <= 16; all of it if n is larger.
inline Lanes load_some(const float* p, int64_t n) {
  if (n >= 16) return load(p);
  float tmp[16] = {};
  for (int64_t i = 0; i < n; ++i) tmp[i] = p[i];
  return load(tmp);
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
