// The loops that every instruction set has. Compiled once for each.
#include "cpu/peaks/keep.h"
#include "cpu/peaks/peaks.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

double fp32_loop(int64_t n) {
  constexpr int chains = tile_rows * tile_groups;
  Lanes acc[chains];
  // No two registers alike: of equal ones the compiler would compute but one.
  float seed[16 * (chains + 2)];
  for (int i = 0; i < 16 * (chains + 2); ++i) seed[i] = static_cast<float>(i) / (16 * (chains + 2));
  keep(seed);
  const Lanes a = load(seed), b = load(seed + 16);
#pragma GCC unroll 24
  for (int i = 0; i < chains; ++i) acc[i] = load(seed + 16 * (i + 2));
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

}  // namespace

extern const peaks::Loops peak_loops;
const peaks::Loops peak_loops{.int8 = nullptr, .bf16 = nullptr, .fp32 = fp32_loop, .read = read_loop};

}  // namespace owl3::cpu::OWL3_ISA
