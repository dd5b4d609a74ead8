// An open model: file, configuration, weights, backend and scratch. Sessions (session.h) and encoding share it; its
// passes run one at a time.
#pragma once
#include <memory>
#include <mutex>
#include <string>

#include "gguf/gguf.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/language.h"
#include "model/scratch.h"
#include "model/weights.h"
#include "ops/backend.h"

namespace owl3::model {

/// image_embeds of n crops.
struct Embeds {
  ops::Backend::Buffer memory;  // [n, T, d]
  int64_t n = 0;
  const float* crop(const Config& c, int64_t i) const {
    return static_cast<const float*>(memory.get()) + i * c.vision.tokens() * c.hidden;
  }
};

struct PlanOptions {
  int32_t context = 0;    ///< positions a sequence
  int64_t crops = 0;      ///< encoded and in sight
  int32_t sequences = 1;  ///< stepped together
  ops::KvType kv_type = ops::KvType::f16;
  int32_t prefill_chunk = 0;
};

/// Bytes that work will take at most.
struct MemoryPlan {
  uint64_t weights = 0;
  uint64_t kv_cache = 0;   ///< text of all sequences
  uint64_t visual_kv = 0;  ///< crops in sight
  uint64_t embeds = 0;     ///< image_embeds while they are kept
  uint64_t scratch = 0;    ///< activations, the backend's own scratch, and logits
  uint64_t total() const { return weights + kv_cache + visual_kv + embeds + scratch; }
};

class Model {
 public:
  /// Opens a file on a backend. Errors as File::open, read_config and load_weights.
  static std::shared_ptr<Model> open(const std::string& path, std::unique_ptr<ops::Backend> backend);

  const gguf::File& file() const { return *file_; }
  const Config& config() const { return config_; }
  const Weights& weights() const { return weights_; }
  ops::Backend& backend() const { return *backend_; }
  const Language& language() const { return language_; }
  /// What a KV cache should be unless asked otherwise: f16 halves the memory and the reads of decoding, but its
  /// rounding (2^-11) would be the largest error of a model in float, so there it is f32 (see MODEL.md).
  ops::KvType default_kv_type() const { return weights_.quantised ? ops::KvType::f16 : ops::KvType::f32; }

  MemoryPlan plan(const PlanOptions& options);

  /// Vision tower and projector over n crops [n, S, S, 3] (uint8 RGB), some at a time.
  std::shared_ptr<const Embeds> encode(const uint8_t* crops, int64_t n);
  /// Embeddings [n, T, d] computed before.
  std::shared_ptr<const Embeds> embeds_from(const float* data, int64_t n);

  /// Held during a pass: one at a time uses backend and scratch.
  std::mutex& run_mutex() { return run_mutex_; }
  /// Scratch for passes of `rows` text rows and `out_rows` rows of logits. Under run_mutex.
  LanguageScratch language_scratch(int64_t rows, int64_t out_rows);

 private:
  Model(std::shared_ptr<const gguf::File> file, std::unique_ptr<ops::Backend> backend);
  uint64_t embeds_bytes(int64_t n) const;

  std::shared_ptr<const gguf::File> file_;
  std::unique_ptr<ops::Backend> backend_;
  Config config_;
  Weights weights_;
  Language language_;
  Scratch scratch_;
  std::mutex run_mutex_;
};

}  // namespace owl3::model
