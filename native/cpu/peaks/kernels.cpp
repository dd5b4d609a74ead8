// The loops that every instruction set has. Compiled once for each.
#include "cpu/peaks/keep.h"
#include "cpu/peaks/peaks.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

double fp32_loop(int64_t n) {
  constexpr int chains = tile_rows * tile_groups;
  Lanes acc[chains];
  float seed = 1.0f;
  keep(seed);
  const Lanes a = splat(seed), b = splat(seed * 0.5f);
#pragma GCC unroll 24
  for (int i = 0; i < chains; ++i) acc[i] = splat(seed * static_cast<float>(i));
  for (int64_t r = 0; r < n; ++r) {
#pragma GCC unroll 24
    for (int i = 0; i < chains; ++i) acc[i] = fma(acc[i], b, a);
  }
  float total = 0;
#pragma GCC unroll 24
  for (int i = 0; i < chains; ++i) total += reduce_add(acc[i]);
  keep(total);
  return static_cast<double>(n) * chains * 32;
}

uint64_t read_loop(const void* memory, int64_t bytes) {
  const float* p = static_cast<const float*>(memory);
  Lanes a = splat(0.0f), b = a, c = a, d = a;
  for (int64_t i = 0; i + 256 <= bytes; i += 256, p += 64) {
    a = a + load(p);
    b = b + load(p + 16);
    c = c + load(p + 32);
    d = d + load(p + 48);
  }
  return static_cast<uint64_t>(reduce_add((a + b) + (c + d)));
}

#if defined(__AVX512VNNI__)
double int8_loop(int64_t n) {
  constexpr int chains = 24;
  __m512i acc[chains];
  int seed = 1;
  keep(seed);
  const __m512i a = _mm512_set1_epi8(static_cast<char>(seed)), b = _mm512_set1_epi8(static_cast<char>(seed + 1));
#pragma GCC unroll 24
  for (int i = 0; i < chains; ++i) acc[i] = _mm512_set1_epi32(seed + i);
  for (int64_t r = 0; r < n; ++r) {
#pragma GCC unroll 24
    for (int i = 0; i < chains; ++i) acc[i] = _mm512_dpbusd_epi32(acc[i], a, b);
  }
  __m512i total = acc[0];
#pragma GCC unroll 24
  for (int i = 1; i < chains; ++i) total = _mm512_add_epi32(total, acc[i]);
  keep(total);
  return static_cast<double>(n) * chains * 128;
}
#elif defined(__AVX2__)
/// Without VNNI an int8 product takes three instructions (vpmaddubsw, vpmaddwd, vpaddd): that is this set's peak.
double int8_loop(int64_t n) {
  constexpr int chains = 8;
  __m256i acc[chains];
  int seed = 1;
  keep(seed);
  const __m256i a = _mm256_set1_epi8(static_cast<char>(seed)), ones = _mm256_set1_epi16(1);
#pragma GCC unroll 8
  for (int i = 0; i < chains; ++i) acc[i] = _mm256_set1_epi32(seed + i);
  for (int64_t r = 0; r < n; ++r) {
#pragma GCC unroll 8
    for (int i = 0; i < chains; ++i) {
      __m256i b = a;
      __asm__ volatile("" : "+x"(b));  // a new operand each time, or the products are taken out of the loop
      acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    }
  }
  __m256i total = acc[0];
#pragma GCC unroll 8
  for (int i = 1; i < chains; ++i) total = _mm256_add_epi32(total, acc[i]);
  keep(total);
  return static_cast<double>(n) * chains * 64;
}
#elif defined(__aarch64__)
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
    for (int i = 0; i < chains; ++i)
      __asm__(".arch_extension dotprod\n\tsdot %0.4s, %1.16b, %2.16b" : "+w"(acc[i]) : "w"(a), "w"(b));
  }
  int32x4_t total = acc[0];
#pragma GCC unroll 16
  for (int i = 1; i < chains; ++i) total = vaddq_s32(total, acc[i]);
  keep(total);
  return static_cast<double>(n) * chains * 32;
}
#else
constexpr double (*int8_loop)(int64_t) = nullptr;
#endif

}  // namespace

extern const peaks::Loops peak_loops;
const peaks::Loops peak_loops{.int8 = int8_loop, .bf16 = nullptr, .fp32 = fp32_loop, .read = read_loop};

}  // namespace owl3::cpu::OWL3_ISA
