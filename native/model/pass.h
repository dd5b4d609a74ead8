// Short names for what both halves of the model say most: a product of the rows of a pass.
#pragma once
#include "model/weights.h"
#include "ops/backend.h"

namespace owl3 {

/// Products over `rows` rows x [rows, ldx].
struct Pass {
  Backend& backend;
  int64_t rows;
  void linear(const float* x, int64_t ldx, const Norm& norm, std::span<const LinearOutput> outputs) const {
    LinearParams p;
    p.x = x;
    p.rows = rows;
    p.ldx = ldx;
    p.norm = norm;
    p.outputs = outputs;
    backend.linear(p);
  }
  void linear(const float* x, int64_t ldx, const Norm& norm, const LinearOutput& output) const {
    linear(x, ldx, norm, std::span(&output, 1));
  }
};

inline LinearOutput to(const LinearWeights& w, float* y, int64_t ldy) {
  LinearOutput out;
  out.w = w.weight.get();
  out.bias = w.bias.data();
  out.y = y;
  out.ldy = ldy;
  return out;
}
inline LinearOutput with(LinearOutput out, Activation activation) {
  out.activation = activation;
  return out;
}
inline LinearOutput plus(LinearOutput out, const float* residual, int64_t residual_rows = 0) {
  out.residual = residual;
  out.residual_rows = residual_rows;
  return out;
}
/// The product goes through SwiGLU with `gate`.
inline LinearOutput gated(LinearOutput out, const LinearWeights& gate) {
  out.gate = gate.weight.get();
  return out;
}
inline Norm layer_norm(const LayerNormWeights& w, float eps) {
  return {NormKind::layer, w.weight.data(), w.bias.data(), eps};
}
inline Norm rms_norm(const Vector& weight, float eps) {
  return {NormKind::rms, weight.data(), nullptr, eps};
}

}  // namespace owl3
