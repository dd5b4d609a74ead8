// Qwen2 with hyper layers, written once: a pass takes rows of any number of sequences, be it a chunk of one prompt or
// the next token of many answers.
#pragma once
#include <span>

#include "model/kv_cache.h"
#include "model/plan.h"
#include "model/stage.h"
#include "model/weights.h"

namespace owl3::model {

class Language {
 public:
  Language(const Config& config, const Weights& weights, std::span<Stage> stages)
      : c_(config), w_(weights), stages_(stages) {}

  /// Grows the activations and the scratch of every stage to what passes of this size need, and visual keys and values.
  void reserve(const PassSize& size) const;

  /// Enqueues a pass over the table's rows, with these `ids` of the device instead of the table's unless null
  /// (Backend::take_ids). Returns logits [wanted, V] in the last stage's memory, valid until the next
  /// pass.
  const float* forward(const ops::PassTable& table, KvCache& cache, const int32_t* ids) const;

  /// Enqueues keys and values of one crop at `position`, for every hyper layer, from its image_embeds [T, d] in the
  /// first stage's memory.
  void visual_kv(const float* embeds, int32_t position, int32_t crop, KvCache& cache) const;

 private:
  LanguageScratch scratch(const Stage& stage, int64_t rows, int64_t wanted) const;
  void run(const Stage& stage, int64_t rows, int64_t wanted, const LanguageScratch& s) const;
  void layer(const Stage& stage, int32_t i, int64_t rows, const LanguageScratch& s) const;
  ops::RopeShape rope() const {
    return {.heads = c_.num_heads, .kv_heads = c_.num_kv_heads, .head_dim = c_.head_dim, .theta = c_.rope_theta};
  }

  const Config& c_;
  const Weights& w_;
  std::span<Stage> stages_;
};

}  // namespace owl3::model
