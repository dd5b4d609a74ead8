// The rate of sdot, or of smmla.
#include "cpu/peaks/keep.h"
#include "cpu/peaks/peaks.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

#ifdef __ARM_FEATURE_MATMUL_INT8
#define OWL3_PRODUCT ".arch_extension i8mm\n\tsmmla %0.4s, %1.16b, %2.16b"
constexpr int operations = 64;
#else
#define OWL3_PRODUCT ".arch_extension dotprod\n\tsdot %0.4s, %1.16b, %2.16b"
constexpr int operations = 32;
#endif

double int8_loop(int64_t n) {
  constexpr int chains = 16;
  int32x4_t acc[chains];
  int seed = 1;
  keep(seed);
  const int8x16_t a = vdupq_n_s8(static_cast<int8_t>(seed)), b = vdupq_n_s8(static_cast<int8_t>(seed + 1));
#pragma GCC unroll 16
  for (int i = 0; i < chains; ++i) acc[i] = vdupq_n_s32(seed + i);
  for (int64_t r = 0; r < n; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < chains; ++i) __asm__(OWL3_PRODUCT : "+w"(acc[i]) : "w"(a), "w"(b));
  }
  int32x4_t total = acc[0];
#pragma GCC unroll 16
  for (int i = 1; i < chains; ++i) total = vaddq_s32(total, acc[i]);
  keep(total);
  return static_cast<double>(n) * chains * operations;
}

}  // namespace

extern double (*const peak_int8)(int64_t);
double (*const peak_int8)(int64_t) = int8_loop;

}  // namespace owl3::cpu::OWL3_ISA
