// Short names for what both halves of the model say most: a product of the rows of a pass.
#pragma once
#include "model/weights.h"
#include "ops/backend.h"

namespace owl3::model {

/// Products over `rows` rows x [rows, ldx].
struct Pass {
  ops::Backend& backend;
  int64_t rows;
  void linear(const float* x, int64_t ldx, const ops::Norm& norm, std::span<const ops::LinearOutput> outputs) const {
    ops::LinearParams p;
    p.x = x;
    p.rows = rows;
    p.ldx = ldx;
    p.norm = norm;
    p.outputs = outputs;
    backend.linear(p);
  }
  void linear(const float* x, int64_t ldx, const ops::Norm& norm, const ops::LinearOutput& output) const {
    linear(x, ldx, norm, std::span(&output, 1));
  }
};

inline ops::LinearOutput to(const LinearWeights& w, float* y, int64_t ldy) {
  ops::LinearOutput out;
  out.w = w.weight.get();
  out.bias = w.bias.data();
  out.y = y;
  out.ldy = ldy;
  return out;
}
inline ops::LinearOutput with(ops::LinearOutput out, ops::Activation activation) {
  out.activation = activation;
  return out;
}
inline ops::LinearOutput plus(ops::LinearOutput out, const float* residual, int64_t residual_rows = 0) {
  out.residual = residual;
  out.residual_rows = residual_rows;
  return out;
}
/// The product goes through SwiGLU with `gate`.
inline ops::LinearOutput gated(ops::LinearOutput out, const LinearWeights& gate) {
  out.gate = gate.weight.get();
  return out;
}
inline ops::Norm layer_norm(const LayerNormWeights& w, float eps) {
  return {ops::NormKind::layer, w.weight.data(), w.bias.data(), eps};
}
inline ops::Norm rms_norm(const Vector& weight, float eps) {
  return {ops::NormKind::rms, weight.data(), nullptr, eps};
}

}  // namespace owl3::model
