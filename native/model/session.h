// Sequences over one KV cache. Not thread-safe: one call at a time on a session (passes of several sessions of a model
// wait for each other).
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "model/model.h"

namespace owl3::model {

struct SessionOptions {
  int32_t context = 0;  ///< positions a sequence may have, at most the model's
  ops::KvType kv_type = ops::KvType::f16;
  int32_t max_rows = 0;   ///< rows that a pass may have
  int32_t max_pages = 0;  ///< pages that all sequences may hold together; 0: no limit
};

/// Crop `crop` of `embeds`, whose placeholder's first token stands at position `offset`: it is seen from offset +
/// Config::media_shift on.
struct MediaSlot {
  int32_t offset = 0;
  std::shared_ptr<const Embeds> embeds;
  int64_t crop = 0;
};

/// The rows that one sequence adds to a pass: ids to append, crops whose placeholders are among them, and which logits are
/// wanted after its last `wanted` rows.
struct Part {
  int32_t sequence = 0;
  std::span<const int32_t> ids = {};      // at least one
  std::span<const MediaSlot> media = {};  // each offset lies among the appended positions
  int32_t wanted = 0;                     // rows, the last ones; 0: none
  int32_t picked = 0;                     // how many of each row's largest logits are picked
  bool whole = false;                     // whether the rows' logits are copied as well
  /// Whether the next part of this sequence will probably be the first id that is picked, and want as much: a device may
  /// begin with it before that id is known here. It changes no bit of any result.
  bool goes_on = false;
};

/// The logits of one part: its wanted rows in their order.
struct Logits {
  std::vector<ops::Picked> picked;  // [wanted]
  std::vector<float> whole;         // [wanted, V] where asked for
};

class Session {
 public:
  Session(std::shared_ptr<Model> model, const SessionOptions& options);
  ~Session() { drop_ahead(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// A new empty sequence; numbers are not used again.
  int32_t create();
  /// A copy that shares pages and crops.
  int32_t fork(int32_t sequence);
  void remove(int32_t sequence);
  int32_t length(int32_t sequence) const { return at(sequence).length(); }
  /// Forgets positions from `length` on, and crops whose placeholder stands there.
  void truncate(int32_t sequence, int32_t length);

  /// One pass over the rows of all parts (different sequences, at most max_rows rows): the weights are read once, and
  /// each row gets the bits that it would get alone. After an error the sequences are as they were. Error{out_of_memory}
  /// before any work when max_pages would be passed.
  std::vector<Logits> advance(std::span<const Part> parts);
  /// Whether a device has begun with the row that `id` adds to a sequence: a pass over that one id costs it nothing more.
  bool has_begun(int32_t sequence, int32_t id) const;

  /// Pages that sequences hold now; a shared one counts once.
  int64_t pages_in_use() const { return cache_.pages_in_use(); }
  /// Bytes of the pages and of the visual keys and values that sequences hold.
  uint64_t bytes() const;
  const Config& config() const { return model_->config(); }

 private:
  const Sequence& at(int32_t sequence) const;
  Sequence& at(int32_t sequence) { return const_cast<Sequence&>(std::as_const(*this).at(sequence)); }
  std::vector<Logits> compute(std::span<const Part> parts);
  void enqueue(std::span<const Part> parts, std::span<Logits> all);
  void pick(std::span<const Part> parts, const float* row, std::span<Logits> all);
  int32_t* next_ids(std::span<const Part> parts) const;
  void run_ahead(std::span<const Part> parts);
  std::vector<size_t> rows_ahead(std::span<const Part> parts) const;
  std::vector<Logits> take(std::span<const Part> parts, std::span<const size_t> rows);
  void drop_ahead() noexcept;
  void settle() noexcept;
  void check(std::span<const Part> parts) const;
  void check_part(const Part& part) const;

  std::shared_ptr<Model> model_;
  SessionOptions options_;
  KvCache cache_;
  ops::PassTable table_;  // keeps its memory from pass to pass
  std::map<int32_t, std::unique_ptr<Sequence>> sequences_;
  int32_t next_ = 0;

  /// A pass that was enqueued before anybody asked for it: a row each of sequences whose ids the device knows first.
  struct Ahead {
    struct Row {
      int32_t sequence, position, picked;
      int32_t id;  // known when the pass before is done
    };
    std::vector<Row> rows;
    std::vector<Logits> logits;   // [rows], written until it is done
    ops::Backend::Ticket ticket;  // of the pass; without a value before, which Clang 14 can't have in an optional here
  };
  std::optional<Ahead> ahead_;
  ops::Backend::Buffer next_ids_;  // [max_rows] on the device; null: it does not run ahead
  int32_t pause_ = 0;              // passes that nothing follows ahead
};

}  // namespace owl3::model
