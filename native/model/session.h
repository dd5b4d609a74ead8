// Sequences over one KV cache. Not thread-safe: one call at a time on a session (passes of several sessions of a model
// wait for each other).
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "model/model.h"

namespace owl3::model {

struct SessionOptions {
  int32_t context = 0;  ///< positions a sequence may have, at most the model's
  ops::KvType kv_type = ops::KvType::f16;
  int32_t prefill_chunk = 0;  ///< positions a prefill() may append at once
};

/// Crop `crop` of `embeds` becomes visible from position `offset` on.
struct MediaSlot {
  int32_t offset = 0;
  std::shared_ptr<const Embeds> embeds;
  int64_t crop = 0;
};

class Session {
 public:
  Session(std::shared_ptr<Model> model, const SessionOptions& options);

  /// A new empty sequence; numbers are not used again.
  int32_t create();
  /// A copy that shares pages, crops and (as a copy) the kept logits.
  int32_t fork(int32_t sequence);
  void remove(int32_t sequence);
  int32_t length(int32_t sequence) const { return at(sequence).tokens->length(); }
  /// Forgets positions from `length` on, crops that become visible there, and the kept logits.
  void truncate(int32_t sequence, int32_t length);

  /// Appends ids (at most prefill_chunk); `media` become visible within them. Keeps the logits of the last row. After
  /// an error the sequence is as it was, but for its logits.
  void prefill(int32_t sequence, std::span<const int32_t> ids, std::span<const MediaSlot> media);
  /// Appends draft ids as prefill() does, and gives the id of the largest logit of every row: what greedy decoding
  /// would append after each. Keeps the logits of the last row; truncate() what was not accepted.
  std::vector<int32_t> verify(int32_t sequence, std::span<const int32_t> ids);
  /// Logits [V] after id i of the last verify(); valid until the next.
  std::span<const float> verified(size_t i) const;
  /// Right after verify(): keeps the first n of its ids, and the logits after them.
  void keep(int32_t sequence, size_t n);
  /// One id each appended to several (different) sequences, reading the weights once.
  void step(std::span<const int32_t> sequences, std::span<const int32_t> ids);

  /// Logits [V] (host) kept by the last prefill or step; valid until the next call. Error{invalid_argument} when there
  /// are none.
  std::span<const float> logits(int32_t sequence) const;

  /// Bytes of pages, visual keys and values that sequences hold, and kept logits.
  uint64_t bytes() const;
  const Config& config() const { return model_->config(); }

 private:
  struct Slot {
    std::unique_ptr<Sequence> tokens;
    std::vector<float> logits;  // [V], or empty
    bool has_logits = false;
  };
  const Slot& at(int32_t sequence) const;
  Slot& at(int32_t sequence) { return const_cast<Slot&>(std::as_const(*this).at(sequence)); }
  void check_ids(std::span<const int32_t> ids) const;
  void check_room(const Slot& slot, size_t n) const;
  void keep_logits(Slot& slot, const float* row);

  std::shared_ptr<Model> model_;
  SessionOptions options_;
  KvCache cache_;
  KvShape visual_;
  LanguageLists lists_;
  std::vector<Run> runs_;
  std::vector<float> verified_;  // [ids, V] of the last verify()
  std::map<int32_t, Slot> slots_;
  int32_t next_ = 0;
};

}  // namespace owl3::model
