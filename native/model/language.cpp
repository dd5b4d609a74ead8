#include "model/language.h"

#include "model/pass.h"

namespace owl3::model {

void Language::reserve(const PassSize& size) const {
  size_t bytes = 0;
  language_scratch(c_, size.rows, size.wanted, nullptr, &bytes);
  for (Stage& stage : stages_) {
    stage.activations.reserve(*stage.backend, bytes);
    stage.backend->reserve(language_need(c_, stage, size));
  }
}

LanguageScratch Language::scratch(const Stage& stage, int64_t rows, int64_t wanted) const {
  return language_scratch(c_, rows, wanted, stage.activations.data(), nullptr);
}

const float* Language::forward(const ops::PassTable& table, KvCache& cache, const int32_t* ids) const {
  const int64_t rows = table.rows(), wanted = static_cast<int64_t>(table.wanted.size());
  LanguageScratch before = {};
  for (size_t i = 0; i < stages_.size(); i++) {
    const Stage& stage = stages_[i];
    ops::Backend& backend = *stage.backend;
    const LanguageScratch s = scratch(stage, rows, wanted);
    backend.begin(table, cache.store(i));
    if (i == 0 && ids != nullptr) backend.take_ids(ids);
    if (i > 0)
      backend.copy_from(*stages_[i - 1].backend, s.x, before.x,
                        static_cast<size_t>(rows * c_.hidden_size) * sizeof(float));
    backend.pass({stage.first_layer, rows, wanted, stage.activations.data()}, [&] { run(stage, rows, wanted, s); });
    before = s;
  }
  return before.logits;
}

/// The stage's part of a pass: on the first one from the embedding, on the last one to the logits.
void Language::run(const Stage& stage, int64_t rows, int64_t wanted, const LanguageScratch& s) const {
  ops::Backend& backend = *stage.backend;
  const int32_t end = stage.first_layer + stage.layers;
  if (&stage == &stages_.front()) backend.get_rows(*w_.token_embd, s.x);
  for (int32_t i = stage.first_layer; i < end; i++) layer(stage, i, rows, s);
  if (&stage != &stages_.back() || wanted == 0) return;
  backend.select_rows(s.x, c_.hidden_size, s.out);
  Pass{backend, wanted}.linear(s.out, c_.hidden_size, rms_norm(w_.output_norm, c_.rms_norm_eps),
                               {.w = &w_.output_matrix(), .y = s.logits, .ldy = c_.vocab_size});
}

void Language::layer(const Stage& stage, int32_t i, int64_t rows, const LanguageScratch& s) const {
  const LanguageLayer& w = w_.layers[static_cast<size_t>(i)];
  ops::Backend& backend = *stage.backend;
  const Pass pass{backend, rows};
  const int64_t d = c_.hidden_size, width = int64_t{c_.num_heads} * c_.head_dim, kv = c_.kv_width();
  const int32_t hyper = c_.hyper_index(i);

  const ops::LinearOutput qkv[] = {to(w.q, s.q, width), to(w.k, s.kv, 2 * kv), to(w.v, s.kv + kv, 2 * kv)};
  pass.linear(s.x, d, rms_norm(w.attn_norm, c_.rms_norm_eps), qkv);
  backend.rope_store({.q = s.q,
                      .ldq = width,
                      .k = s.kv,
                      .v = s.kv + kv,
                      .ld = 2 * kv,
                      .shape = rope(),
                      .key_shift = w.key_shift.data(),
                      .layer = i - stage.first_layer});
  backend.attention({.q = s.q,
                     .ldq = width,
                     .out = s.attn,
                     .heads = c_.num_heads,
                     .kv_heads = c_.num_kv_heads,
                     .head_dim = c_.head_dim,
                     .layer = i - stage.first_layer,
                     .hyper_layer = hyper < 0 ? -1 : hyper - stage.first_hyper_layer,
                     .gate = w.gate.params()});
  pass.linear(s.attn, width, {}, plus(to(w.attn_out, s.x, d), s.x));
  pass.linear(s.x, d, rms_norm(w.ffn_norm, c_.rms_norm_eps),
              gated(to(w.ffn_up, s.h, c_.intermediate_size), w.ffn_gate));
  pass.linear(s.h, c_.intermediate_size, {}, plus(to(w.ffn_down, s.x, d), s.x));
}

void Language::visual_kv(const float* embeds, int32_t position, int32_t crop, KvCache& cache) const {
  const int64_t tokens = c_.vision.crop_tokens(), kv = 2 * int64_t{c_.kv_width()};
  for (size_t i = 0; i < stages_.size(); i++) {
    const Stage& stage = stages_[i];
    if (stage.hyper_layers == 0) continue;
    ops::Backend& backend = *stage.backend;
    const LanguageScratch s = scratch(stage, 1, 1);
    const float* x = embeds;
    if (i > 0) {
      backend.copy_from(*stages_[0].backend, s.embeds, embeds,
                        static_cast<size_t>(tokens * c_.hidden_size) * sizeof(float));
      x = s.embeds;
    }
    for (int32_t j = 0; j < stage.hyper_layers; j++) {
      const int32_t block = c_.hyper_layers[static_cast<size_t>(stage.first_hyper_layer + j)];
      const LanguageLayer& w = w_.layers[static_cast<size_t>(block)];
      Pass{backend, tokens}.linear(x, c_.hidden_size, rms_norm(w.attn_norm, c_.rms_norm_eps),
                                   to(w.visual_kv, s.visual, kv));
      backend.store_visual({.store = &cache.store(i),
                            .crop = crop,
                            .hyper_layer = j,
                            .position = position,
                            .kv = s.visual,
                            .shape = rope(),
                            .key_shift = w.visual_key_shift.data()});
    }
  }
}

}  // namespace owl3::model
