// An open model: file, configuration, stages and weights. Sessions (session.h) and encoding share it; its passes run one
// at a time.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gguf/gguf.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/language.h"
#include "model/placement.h"
#include "model/plan.h"
#include "model/scratch.h"
#include "model/stage.h"
#include "model/weights.h"
#include "ops/backend.h"

namespace owl3::model {

/// image_embeds of n crops, in the first stage's memory.
struct Embeds {
  ops::Backend::Buffer memory;  // [n, T, d]
  int64_t n = 0;
  const float* crop(const Config& c, int64_t i) const {
    return static_cast<const float*>(memory.get()) + i * c.vision.crop_tokens() * c.hidden_size;
  }
};

class Model {
 public:
  /// Opens a file with its layers shared out among `backends` (placement.h). With Load::plan only the header is read, and
  /// the model can plan() and nothing else. Errors as File::open, read_config, place_layers and load_weights.
  static std::shared_ptr<Model> open(const std::string& path, std::vector<std::shared_ptr<ops::Backend>> backends,
                                     const LoadOptions& load = {}, const PlaceOptions& place = {});
  /// The same of a file that is open.
  static std::shared_ptr<Model> open(std::shared_ptr<const gguf::File> file,
                                     std::vector<std::shared_ptr<ops::Backend>> backends, const LoadOptions& load = {},
                                     const PlaceOptions& place = {});

  const gguf::File& file() const { return *file_; }
  const Config& config() const { return config_; }
  const Weights& weights() const { return weights_; }
  std::span<Stage> stages() { return stages_; }
  /// The first stage's backend, which holds the vision tower and image_embeds.
  ops::Backend& backend() const { return *stages_.front().backend; }
  const Language& language() const { return language_; }
  ops::KvType default_kv_type() const { return model::default_kv_type(weights_.quantised); }

  /// Bytes of weights that are mapped from a copy (Backend::mapped_bytes).
  uint64_t mapped_bytes() const;
  MemoryPlan plan(const PlanOptions& options) const;

  /// Vision tower and projector over n crops [n, S, S, 3] (uint8 RGB), some at a time.
  std::shared_ptr<const Embeds> encode(const uint8_t* crops, int64_t n);
  /// The share of the running encode() that the backend was given, from 0 to 1, layer by layer; 0 while none runs. The CPU
  /// has computed what it was given; another device may be behind. Any thread may ask.
  double encoded_share() const { return static_cast<double>(encoded_layers_) / static_cast<double>(layers_to_encode_); }
  /// Embeddings [n, T, d] computed before.
  std::shared_ptr<const Embeds> embeds_from(const float* data, int64_t n);
  /// A copy of embeddings, [n, T, d].
  void copy_embeds(const Embeds& embeds, float* to) const;

  /// Held during a pass: one at a time uses backends and activations.
  std::mutex& run_mutex() { return run_mutex_; }

 private:
  Model(std::shared_ptr<const gguf::File> file, std::vector<std::shared_ptr<ops::Backend>> backends,
        const LoadOptions& load, const PlaceOptions& place);

  std::shared_ptr<const gguf::File> file_;
  Config config_;
  std::vector<Stage> stages_;
  Weights weights_;
  Language language_;
  std::mutex run_mutex_;
  std::atomic<int64_t> encoded_layers_ = 0, layers_to_encode_ = 1;
};

}  // namespace owl3::model
