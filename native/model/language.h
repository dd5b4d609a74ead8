// Qwen2 with hyper layers, written once: a pass takes rows of any number of sequences, be it a chunk of one prompt or
// the next token of many answers.
#pragma once
#include <span>
#include <vector>

#include "model/kv_cache.h"
#include "model/scratch.h"
#include "model/weights.h"

namespace owl3::model {

/// Consecutive new positions of one sequence; `prepare(ids.size())` was called on it.
struct Run {
  Sequence* sequence = nullptr;
  std::span<const int32_t> ids;  // in [0, V): the caller checked
};

/// Lists that a pass fills anew and whose memory stays.
struct LanguageLists {
  std::vector<int32_t> ids;
  std::vector<ops::KvSlot> slots;
  std::vector<ops::KvSegment> segments;
  std::vector<ops::AttentionSequence> sequences;
};

class Language {
 public:
  Language(const Config& config, const Weights& weights, ops::Backend& backend)
      : c_(config), w_(weights), backend_(backend) {}

  /// Computes the rows of all runs, in order, and leaves s.logits [count, V] of rows [first, first + count). The
  /// sequences are not advanced.
  void forward(std::span<const Run> runs, const KvShape& visual, const LanguageScratch& s, LanguageLists& lists,
               int64_t first, int64_t count) const;

  /// Keys and values of one crop at `offset`, for every hyper layer, from its image_embeds [T, d].
  void visual_kv(const float* embeds, int32_t offset, const KvShape& visual, void* out, const LanguageScratch& s,
                 LanguageLists& lists) const;

 private:
  void layer(int32_t i, std::span<const Run> runs, int64_t rows, const KvShape& visual, const LanguageScratch& s,
             LanguageLists& lists) const;
  void place(int32_t layer, std::span<const Run> runs, const KvShape& visual, LanguageLists& lists) const;

  const Config& c_;
  const Weights& w_;
  ops::Backend& backend_;
};

}  // namespace owl3::model
