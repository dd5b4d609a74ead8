// Softmax over scores that are exponents of two, and the states that are merged when keys come in several runs.
#pragma once
#include "base/math.h"
#include "cpu/attention/attention.h"
#include "cpu/simd/exp2.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

using namespace attention;

constexpr float minus_infinity = -__builtin_huge_valf();

/// Online softmax step for one row of base-2 scores, in place (FlashAttention, arXiv 2205.14135). Updates row_max and
/// row_sum; returns the factor that rescales the accumulated output.
inline float online_softmax(float* s, int32_t seen, int32_t groups, float& row_max, float& row_sum) {
  if (seen <= 0) {
    for (int32_t g = 0; g < groups; ++g) store(s + 16 * g, splat(0.0f));
    return 1.0f;
  }
  Lanes peak = splat(minus_infinity);
  for (int32_t g = 0; g < groups; ++g) {
    Lanes x = load(s + 16 * g);
    const int32_t left = seen - 16 * g;
    if (left < 16) {
      x = first(x, minus_infinity, left < 0 ? 0 : left);
      store(s + 16 * g, x);
    }
    peak = max(peak, x);
  }
  const float block_max = reduce_max(peak), next = block_max > row_max ? block_max : row_max;
  float shrink[16];
  store(shrink, exp2_lanes(splat(row_max - next)));
  const Lanes shift = splat(next);
  Lanes weights = splat(0.0f);
  for (int32_t g = 0; g < groups; ++g) {
    const Lanes p = exp2_lanes(load(s + 16 * g) - shift);
    store(s + 16 * g, p);
    weights = weights + p;
  }
  row_sum = row_sum * shrink[0] + reduce_add(weights);
  row_max = next;
  return shrink[0];
}

/// Softmax numerators of one row of base-2 scores [keys, a multiple of 32], of which the first `tokens` count:
/// store_weights(key, p0, p1) takes 32 of them, 2^(s - row_max). Returns their float sum before any rounding.
template <Lanes (*Exp2)(Lanes), class Store>
inline float softmax_row(float* s, int32_t tokens, int32_t keys, Store store_weights) {
  constexpr float hidden = -1e30f;
  for (int32_t key = tokens; key < keys; ++key) s[key] = hidden;
  Lanes max0 = splat(hidden), max1 = max0;
  for (int32_t key = 0; key < keys; key += 32) {
    max0 = max(max0, load(s + key));
    max1 = max(max1, load(s + key + 16));
  }
  const Lanes row_max = splat(reduce_max(max(max0, max1)));
  Lanes sum0 = splat(0), sum1 = sum0;
  for (int32_t key = 0; key < keys; key += 32) {
    const Lanes p0 = Exp2(load(s + key) - row_max), p1 = Exp2(load(s + key + 16) - row_max);
    sum0 = sum0 + p0;
    sum1 = sum1 + p1;
    store_weights(key, p0, p1);
  }
  return reduce_add(sum0 + sum1);
}

/// out [head_dim] = the weighted sum of values over the sum of weights.
inline void write_output(const float* sum, float row_sum, int32_t head_dim, float* out) {
  const float factor = 1.0f / row_sum;
  for (int32_t d = 0; d < head_dim; ++d) out[d] = sum[d] * factor;
}

/// Merges a softmax state into another, which may be empty (maximum -infinity, all zeros).
inline void merge_state(float& row_max, float& row_sum, float* out, float from_max, float from_sum, const float* from,
                        int32_t width) {
  const float next = from_max > row_max ? from_max : row_max;
  float a[16], b[16];
  store(a, exp2_lanes(splat(row_max - next)));
  store(b, exp2_lanes(splat(from_max - next)));
  row_sum = row_sum * a[0] + from_sum * b[0];
  row_max = next;
  for (int32_t d = 0; d < width; d += 16) store(out + d, fma(load(out + d), splat(a[0]), load(from + d) * splat(b[0])));
}

/// A bump allocator over the scratch of a task: every piece begins on a cache line.
struct Partition {
  char* at;
  template <class T>
  T* take(int64_t n) {
    T* p = reinterpret_cast<T*>(at);
    at += round_up(n * static_cast<int64_t>(sizeof(T)), 64);
    return p;
  }
};

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
