#include "cuda/verbs/attention.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/math.h"
#include "cuda/kernels/shapes.h"
#include "cuda/verbs/launch.h"

namespace owl3::cuda {
namespace {

/// States of splits, besides those of a step: enough for a draft of eleven rows of 28 heads over 24,000 positions.
constexpr size_t min_shared_out = 16 << 20;

size_t state_bytes(int64_t rows, int32_t heads, int32_t head_dim, int64_t slots) {
  return static_cast<size_t>(rows * heads * slots * state_floats(head_dim)) * sizeof(float);
}

/// Decided by the store alone, never by a pass: a row's bits must not depend on the others. The rest goes through the
/// kernel in float, which takes every head size and format.
bool uses_tensor_cores(int32_t head_dim, ops::KvType type) {
  return (head_dim == 64 || head_dim == 128) && type != ops::KvType::f32;
}

GateForm form_of(ops::GateKind kind) {
  return kind == ops::GateKind::none      ? GateForm::none
         : kind == ops::GateKind::channel ? GateForm::channel
                                          : GateForm::head;
}

}  // namespace

size_t attention_scratch_bytes(int64_t rows, int32_t heads, int32_t head_dim) {
  return state_bytes(rows, heads, head_dim, 2);
}

size_t shared_out_bytes(int64_t sequences, int64_t positions, int64_t crops, int32_t heads, int32_t head_dim) {
  const PassExtent extent = widened({.hyper_splits = static_cast<int32_t>(divide_up(positions, split_keys) + crops)});
  return std::max(min_shared_out, state_bytes(sequences, heads, head_dim, extent.hyper_splits));
}

void attention(Launcher& launcher, const ops::AttentionParams& p, const DeviceTable& table, const KvAddresses& kv,
               void* scratch, size_t bytes) {
  if (p.kv_heads < 1 || p.heads % p.kv_heads != 0 || p.head_dim > max_head_dim)
    throw Error(ErrorCode::unsupported, "attention with " + std::to_string(p.heads) + " heads, " +
                                            std::to_string(p.kv_heads) + " KV heads of " + std::to_string(p.head_dim) +
                                            " values");
  const PassExtent& extent = table.extent;
  const bool hyper = p.hyper_layer >= 0, gated = hyper && p.gate.kind != ops::GateKind::none;
  const int32_t splits = hyper ? extent.hyper_splits : extent.text_splits;
  AttentionParams params{.q = p.q,
                         .ldq = p.ldq,
                         .out = p.out,
                         .states = static_cast<float*>(scratch),
                         .slots = 1,
                         .mode = StateMode::merged,
                         .heads = p.heads,
                         .hyper = hyper ? 1 : 0,
                         .gate = gated ? form_of(p.gate.kind) : GateForm::none,
                         .gate_weight = p.gate.weight,
                         .gate_bias = p.gate.bias,
                         .table = table.view,
                         .kv = kv_view(kv, p.layer, p.hyper_layer)};
  const bool mma = uses_tensor_cores(p.head_dim, kv.shape.type);
  const int64_t parts = mma ? p.kv_heads * divide_up(p.heads / p.kv_heads, mma_heads) : p.heads;
  // Few rows over many keys are shared out by splits, so that all multiprocessors have work.
  if (splits > 1 && extent.tiles * parts < int64_t{4} * launcher.multiprocessors() &&
      state_bytes(extent.rows, p.heads, p.head_dim, splits) <= bytes) {
    params.mode = StateMode::split;
    params.slots = splits;
  } else if (gated) {
    params.mode = StateMode::two;
    params.slots = 2;
  }
  const Dim grid{params.mode == StateMode::split ? static_cast<uint32_t>(splits) : 1, static_cast<uint32_t>(parts),
                 static_cast<uint32_t>(extent.tiles)};
  if (mma)
    launch(launcher, p.head_dim == 64 ? "attention_64" : "attention_128", grid, mma_threads, params,
           static_cast<uint32_t>(attention_mma_bytes(p.head_dim)));
  else
    launch(launcher, "attention_plain", grid, attention_threads, params,
           static_cast<uint32_t>(attention_floats(p.head_dim)) * sizeof(float));
  if (params.mode != StateMode::merged)
    launch(launcher, "attention_merge", {static_cast<uint32_t>(extent.rows), static_cast<uint32_t>(p.heads)},
           attention_threads, params, static_cast<uint32_t>(p.head_dim) * sizeof(float));
}

}  // namespace owl3::cuda
