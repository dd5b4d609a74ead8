#include "model/language.h"

#include "model/pass.h"

namespace owl3::model {

void Language::forward(std::span<const Run> runs, const KvShape& visual, const LanguageScratch& s, LanguageLists& lists,
                       int64_t first, int64_t count) const {
  lists.ids.clear();
  for (const Run& run : runs) lists.ids.insert(lists.ids.end(), run.ids.begin(), run.ids.end());
  const int64_t rows = static_cast<int64_t>(lists.ids.size());
  backend_.get_rows(*w_.token_embd, lists.ids, s.x);
  for (int32_t i = 0; i < c_.blocks; i++) layer(i, runs, rows, visual, s, lists);
  ops::LinearOutput logits;
  logits.w = &w_.output_matrix();
  logits.y = s.logits;
  logits.ldy = c_.vocab;
  Pass{backend_, count}.linear(s.x + first * c_.hidden, c_.hidden, rms_norm(w_.output_norm, c_.rms_eps), logits);
}

void Language::layer(int32_t i, std::span<const Run> runs, int64_t rows, const KvShape& visual,
                     const LanguageScratch& s, LanguageLists& lists) const {
  const LanguageLayer& w = w_.layers[static_cast<size_t>(i)];
  const Pass pass{backend_, rows};
  const int64_t d = c_.hidden, width = static_cast<int64_t>(c_.heads) * c_.head_dim, kv = c_.kv_width();
  place(i, runs, visual, lists);

  const ops::LinearOutput qkv[] = {to(w.q, s.q, width), to(w.k, s.kv, 2 * kv), to(w.v, s.kv + kv, 2 * kv)};
  pass.linear(s.x, d, rms_norm(w.attn_norm, c_.rms_eps), qkv);
  ops::RopeStoreParams r;
  r.q = s.q;
  r.ldq = width;
  r.k = s.kv;
  r.v = s.kv + kv;
  r.ldk = r.ldv = 2 * kv;
  r.k_head_stride = r.v_head_stride = c_.head_dim;
  r.heads = c_.heads;
  r.kv_heads = c_.kv_heads;
  r.head_dim = c_.head_dim;
  r.rope_theta = c_.rope_theta;
  r.slots = lists.slots;
  backend_.rope_store(r);
  ops::AttentionParams a;
  a.q = s.q;
  a.ldq = width;
  a.out = s.attn;
  a.heads = c_.heads;
  a.kv_heads = c_.kv_heads;
  a.head_dim = c_.head_dim;
  a.sequences = lists.sequences;
  backend_.attention(a);
  pass.linear(s.attn, width, {}, plus(to(w.attn_out, s.x, d), s.x));
  pass.linear(s.x, d, rms_norm(w.ffn_norm, c_.rms_eps), gated(to(w.ffn_up, s.h, c_.mlp), w.ffn_gate));
  pass.linear(s.h, c_.mlp, {}, plus(to(w.ffn_down, s.x, d), s.x));
}

/// Where this layer's keys and values go, and what its queries see.
void Language::place(int32_t layer, std::span<const Run> runs, const KvShape& visual, LanguageLists& lists) const {
  const int32_t hyper = c_.hyper_index(layer);
  lists.slots.clear();
  lists.segments.clear();
  lists.sequences.clear();
  int64_t row = 0;
  for (const Run& run : runs) {
    const int32_t start = run.sequence->length(), n = static_cast<int32_t>(run.ids.size());
    for (int32_t p = start; p < start + n; p++) lists.slots.push_back(run.sequence->slot(layer, p));
    const size_t before = lists.segments.size();
    run.sequence->segments(layer, hyper, visual, start + n, lists.segments);
    ops::AttentionSequence sequence;
    sequence.first_row = row;
    sequence.rows = n;
    sequence.first_position = start;
    // Only the length is right until all segments are listed: the list may still move.
    sequence.segments = std::span<const ops::KvSegment>(lists.segments.data(), lists.segments.size() - before);
    lists.sequences.push_back(sequence);
    row += n;
  }
  const ops::KvSegment* at = lists.segments.data();
  for (ops::AttentionSequence& sequence : lists.sequences) {
    sequence.segments = std::span(at, sequence.segments.size());
    at += sequence.segments.size();
  }
}

void Language::visual_kv(const float* embeds, int32_t offset, const KvShape& visual, void* out,
                         const LanguageScratch& s, LanguageLists& lists) const {
  const int64_t kv = c_.kv_width();
  const Pass pass{backend_, visual.capacity};
  for (int32_t j = 0; j < visual.layers; j++) {
    const LanguageLayer& w = w_.layers[static_cast<size_t>(c_.hyper_blocks[static_cast<size_t>(j)])];
    pass.linear(embeds, c_.hidden, rms_norm(w.attn_norm, c_.rms_eps), to(w.visual_kv, s.visual, 2 * kv));
    lists.slots.clear();
    for (int32_t t = 0; t < visual.capacity; t++) lists.slots.push_back({visual.block(out, j), t, offset});
    ops::RopeStoreParams r;
    r.k = s.visual;
    r.v = s.visual + c_.head_dim;
    r.ldk = r.ldv = 2 * kv;
    r.k_head_stride = r.v_head_stride = 2 * static_cast<int64_t>(c_.head_dim);
    r.kv_heads = c_.kv_heads;
    r.head_dim = c_.head_dim;
    r.rope_theta = c_.rope_theta;
    r.slots = lists.slots;
    backend_.rope_store(r);
  }
}

}  // namespace owl3::model
