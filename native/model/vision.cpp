#include "model/vision.h"

#include <algorithm>

#include "model/pass.h"

namespace owl3::model {
namespace {

// Rows that pass through the layers together. How many crops come with a call is decided in src/vision/encode-crops.ts.
constexpr int64_t batch_rows = 1024;

/// Quantised weights are coarser than bfloat16, so products after them may be, too.
ops::Accuracy accuracy(DType type) {
  return gguf::quantised(type) ? ops::Accuracy::bfloat16 : ops::Accuracy::float32;
}

void layer(const VisionConfig& c, const VisionLayer& w, const Pass& pass, const VisionScratch& s, int64_t crops) {
  const int64_t dv = c.hidden_size;
  const ops::LinearOutput qkv[] = {to(w.q, s.qkv, 3 * dv), to(w.k, s.qkv + dv, 3 * dv),
                                   to(w.v, s.qkv + 2 * dv, 3 * dv)};
  pass.linear(s.x, dv, layer_norm(w.ln1, c.layer_norm_eps), qkv);
  pass.backend.vision_attention({.q = s.qkv,
                                 .k = s.qkv + dv,
                                 .v = s.qkv + 2 * dv,
                                 .ld = 3 * dv,
                                 .out = s.attn,
                                 .crops = crops,
                                 .tokens = c.crop_tokens(),
                                 .heads = c.num_heads,
                                 .head_dim = c.head_dim,
                                 .accuracy = accuracy(w.q.weight->type)});
  pass.linear(s.attn, dv, {}, plus(to(w.attn_out, s.x, dv), s.x));
  pass.linear(s.x, dv, layer_norm(w.ln2, c.layer_norm_eps),
              with(to(w.ffn_up, s.h, c.intermediate_size), ops::Activation::gelu_tanh));
  pass.linear(s.h, c.intermediate_size, {}, plus(to(w.ffn_down, s.x, dv), s.x));
}

}  // namespace

int64_t vision_batch(const VisionConfig& c) {
  return std::max<int64_t>(1, batch_rows / c.crop_tokens());
}

void encode_crops(const Config& config, const VisionWeights& w, ops::Backend& backend, const VisionScratch& s,
                  const uint8_t* crops, int64_t n, float* embeds, std::atomic<int64_t>& layers) {
  const VisionConfig& c = config.vision;
  const int64_t dv = c.hidden_size, d = config.hidden_size;
  const Pass pass{backend, n * c.crop_tokens()};
  backend.patchify({.crops = crops,
                    .n = n,
                    .size = c.crop_size,
                    .patch = c.patch_size,
                    .mean = {c.mean[0], c.mean[1], c.mean[2]},
                    .std = {c.std[0], c.std[1], c.std[2]},
                    .y = s.patches});
  pass.linear(s.patches, c.patch_values(), {},
              plus(to(w.patch_embd, s.x, dv), w.position_embd.data(), c.crop_tokens()));
  for (const VisionLayer& l : w.layers) {
    layer(c, l, pass, s, n);
    layers++;
  }
  if (!config.projects_twice()) {
    pass.linear(s.x, dv, {}, to(w.projector_in, embeds, d));
    return;
  }
  pass.linear(s.x, dv, {}, with(to(w.projector_in, s.m, d), ops::Activation::gelu_erf));
  pass.linear(s.m, d, {}, to(w.projector_out, embeds, d));
}

}  // namespace owl3::model
