// Helpers for building `linear` calls: y = act(norm(x) W^T + b) + residual.
#pragma once
#include "model/weights.h"
#include "ops/backend.h"

namespace owl3::model {

/// Products over `rows` rows x [rows, ldx].
struct Pass {
  ops::Backend& backend;
  int64_t rows;
  void linear(const float* x, int64_t ldx, const ops::Norm& norm, std::span<const ops::LinearOutput> outputs) const {
    backend.linear({.x = x, .rows = rows, .ldx = ldx, .norm = norm, .outputs = outputs});
  }
  void linear(const float* x, int64_t ldx, const ops::Norm& norm, const ops::LinearOutput& output) const {
    linear(x, ldx, norm, std::span(&output, 1));
  }
};

inline ops::LinearOutput to(const LinearWeights& w, float* y, int64_t ldy) {
  return {.w = w.weight.get(), .bias = w.bias.data(), .y = y, .ldy = ldy};
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
/// The product is multiplied with silu of the gate's product (SwiGLU).
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
