// The eight-lane vectors of the quantisers. Blocks (or the groups of a super-block) are lanes, so that no sum is
// reordered and every instruction set computes the same bytes. Vectors are passed by reference: by value their calling
// convention would depend on the instruction set.
#pragma once
#include "gguf/formats/block.h"

namespace owl3::gguf {
namespace {

constexpr int lane_count = 8;
using F32x8 = float __attribute__((vector_size(4 * lane_count)));
using I32x8 = int32_t __attribute__((vector_size(4 * lane_count)));

constexpr float rounding = 12582912.0f;  // 1.5 * 2^23: adding and subtracting it rounds to the nearest integer
constexpr float tiny_value = 1e-30f;     // smaller magnitudes count as zero: no scale that a half holds would show them
constexpr float max_finite = 65504.0f;   // the largest half

/// Transposes x[blocks][N] of up to eight blocks: lane l of v[i] is value i of block l. Lanes past `blocks` are zero.
template <int N>
OWL3_INLINE void load_lanes(const float* x, int64_t blocks, F32x8* v) {
  const int used = blocks < lane_count ? static_cast<int>(blocks) : lane_count;
  for (int i = 0; i < N; i++) v[i] = F32x8{};
  for (int l = 0; l < used; l++)
    for (int i = 0; i < N; i++) v[i][l] = x[l * N + i];
}

/// Rounds each lane to a half. Infinities are avoided, so that a block of huge values still has finite ones.
OWL3_INLINE void round_to_half(F32x8& d, uint16_t* half) {
  for (int l = 0; l < lane_count; l++) {
    const float f = d[l] > max_finite ? max_finite : d[l] < -max_finite ? -max_finite : d[l];
    half[l] = f32_to_f16(f);
    d[l] = f16_to_f32(half[l]);
  }
}

OWL3_INLINE void clamp_round(F32x8& v, float lo, float hi) {
  const F32x8 l = F32x8{} + lo, h = F32x8{} + hi;
  v = v < h ? v : h;  // NaN becomes hi
  v = v > l ? v : l;
  v = (v + rounding) - rounding;
}

/// out = 1 / v, and 0 where v is tiny.
OWL3_INLINE void reciprocal(const F32x8& v, F32x8& out) {
  const F32x8 zero{};
  const I32x8 usable = (v > tiny_value) | (v < -tiny_value);
  const F32x8 safe = usable ? v : zero + 1.0f;
  out = usable ? 1.0f / safe : zero;
}

}  // namespace
}  // namespace owl3::gguf
