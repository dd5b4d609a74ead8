// The gate between what a row saw in the text and what it saw in pictures (ops::Gate), a tile of head vectors at a time.
// A vector's result does not depend on the others of its tile.
#pragma once
#include "cpu/attention/online.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

/// The gate of one query head.
inline ops::Gate gate_of_head(const ops::Gate& gate, int32_t head, int32_t head_dim) {
  ops::Gate g = gate;
  if (g.kind == ops::GateKind::channel) g.weight += static_cast<int64_t>(head) * head_dim;
  return g;
}

/// The logits of a gate of kind `head`, up to its bias: g [n, width] = text [n, width] times weight [head_dim, head_dim].
inline void gate_product(const float* weight, const float* text, int32_t n, int32_t head_dim, int32_t width, float* g) {
  const int32_t groups = head_dim / 16;
  Product<FromF32, false>{.a = text,
                          .lda = width,
                          .b = weight,
                          .step = head_dim,
                          .group = 16,
                          .count = head_dim,
                          .keep = nullptr,
                          .c = g,
                          .ldc = width,
                          .ahead = reinterpret_cast<const char*>(weight)}
      .run(n, groups);
  for (int32_t r = 0; r < n; ++r) {
    for (int32_t d = 16 * groups; d < head_dim; ++d) {
      float sum = 0.0f;
      for (int32_t i = 0; i < head_dim; ++i)
        sum += text[r * width + i] * weight[static_cast<int64_t>(i) * head_dim + d];
      g[r * width + d] = sum;
    }
  }
}

/// text [n, width] = (1 - g) * text + g * visual for n <= tile_rows head vectors, of which the r-th has the gate
/// gates[r]. Columns past head_dim are 0 in both. g [tile_rows, width] is scratch.
inline void blend(const ops::Gate* gates, float* text, const float* visual, int32_t n, int32_t head_dim, int32_t width,
                  float* g) {
  const bool computed = gates[0].kind == ops::GateKind::head;
  if (computed) gate_product(gates[0].weight, text, n, head_dim, width, g);
  for (int32_t r = 0; r < n; ++r) {
    float* own = g + static_cast<int64_t>(r) * width;
    for (int32_t d = 0; d < head_dim; ++d) own[d] = computed ? own[d] + gates[r].bias[d] : gates[r].weight[d];
    for (int32_t d = head_dim; d < width; ++d) own[d] = 0.0f;
    for (int32_t d = 0; d < width; d += 16) {
      const int64_t at = static_cast<int64_t>(r) * width + d;
      const Lanes x = load(own + d), share = computed ? sigmoid(x) : x;
      store(text + at, fma(share, load(visual + at), (splat(1.0f) - share) * load(text + at)));
    }
  }
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
