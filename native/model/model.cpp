#include "model/model.h"

#include <algorithm>

#include "base/checked.h"
#include "model/vision.h"

namespace owl3::model {
namespace {

int64_t widest_text(const Config& c) {
  return std::max({int64_t{c.hidden}, int64_t{c.mlp}, int64_t{c.heads} * c.head_dim});
}
int64_t widest_vision(const Config& c) {
  return std::max(
      {int64_t{c.vision.hidden}, int64_t{c.vision.mlp}, int64_t{c.vision.patch_values()}, int64_t{c.hidden}});
}

}  // namespace

std::shared_ptr<Model> Model::open(const std::string& path, std::unique_ptr<ops::Backend> backend) {
  return std::shared_ptr<Model>(new Model(gguf::File::open(path), std::move(backend)));
}

Model::Model(std::shared_ptr<const gguf::File> file, std::unique_ptr<ops::Backend> backend)
    : file_(std::move(file)),
      backend_(std::move(backend)),
      config_(read_config(*file_)),
      weights_(load_weights(*file_, config_, *backend_)),
      language_(config_, weights_, *backend_) {}

uint64_t Model::embeds_bytes(int64_t n) const {
  const uint64_t one =
      static_cast<uint64_t>(config_.vision.tokens()) * static_cast<uint64_t>(config_.hidden) * sizeof(float);
  return checked_mul(static_cast<uint64_t>(n), one, "image embeddings");
}

MemoryPlan Model::plan(const PlanOptions& o) {
  const std::lock_guard lock(run_mutex_);
  const uint64_t sequences = static_cast<uint64_t>(std::max(1, o.sequences));
  const uint64_t pages = static_cast<uint64_t>((int64_t{o.context} + kPagePositions - 1) / kPagePositions);
  const int64_t rows = std::max<int64_t>(std::min(o.prefill_chunk, o.context), static_cast<int64_t>(sequences));
  MemoryPlan p;
  p.weights = weights_.bytes;
  p.kv_cache =
      checked_mul(checked_mul(pages, sequences, "KV cache"), page_shape(config_, o.kv_type).bytes(), "KV cache");
  p.visual_kv =
      checked_mul(static_cast<uint64_t>(o.crops), visual_shape(config_, o.kv_type).bytes(), "visual keys and values");
  p.embeds = embeds_bytes(o.crops);
  // The backend's scratch is asked of the backend itself: reserving it now costs address space, not pages.
  size_t vision = 0, text = 0;
  model::language_scratch(config_, rows, static_cast<int64_t>(sequences), nullptr, &text);
  backend_->reserve(std::max<int64_t>(rows, config_.vision.tokens()), widest_text(config_));
  if (o.crops > 0) {
    const int64_t batch = std::min(o.crops, vision_batch(config_.vision));
    vision_scratch(config_, batch, nullptr, &vision);
    backend_->reserve(batch * config_.vision.tokens(), widest_vision(config_));
  }
  const uint64_t logits = checked_mul(sequences, static_cast<uint64_t>(config_.vocab) * sizeof(float), "logits");
  p.scratch = std::max({vision, text, scratch_.bytes()}) + backend_->scratch_bytes() + logits;
  return p;
}

std::shared_ptr<const Embeds> Model::encode(const uint8_t* crops, int64_t n) {
  const std::lock_guard lock(run_mutex_);
  const VisionConfig& v = config_.vision;
  auto embeds = std::make_shared<Embeds>(Embeds{backend_->allocate(embeds_bytes(n)), n});
  const int64_t batch = std::min(n, vision_batch(v)), crop_bytes = int64_t{3} * v.image_size * v.image_size;
  size_t bytes = 0;
  vision_scratch(config_, batch, nullptr, &bytes);
  scratch_.reserve(*backend_, bytes);
  backend_->reserve(batch * v.tokens(), widest_vision(config_));
  for (int64_t i = 0; i < n; i += batch) {
    const int64_t some = std::min(batch, n - i);
    float* out = static_cast<float*>(embeds->memory.get()) + i * v.tokens() * config_.hidden;
    encode_crops(config_, weights_.vision, *backend_, vision_scratch(config_, batch, scratch_.data(), nullptr),
                 crops + i * crop_bytes, some, out);
  }
  return embeds;
}

std::shared_ptr<const Embeds> Model::embeds_from(const float* data, int64_t n) {
  const uint64_t bytes = embeds_bytes(n);
  auto embeds = std::make_shared<Embeds>(Embeds{backend_->allocate(bytes), n});
  backend_->copy_to_device(embeds->memory.get(), data, bytes);
  return embeds;
}

LanguageScratch Model::language_scratch(int64_t rows, int64_t out_rows) {
  size_t bytes = 0;
  model::language_scratch(config_, rows, out_rows, nullptr, &bytes);
  scratch_.reserve(*backend_, bytes);
  backend_->reserve(std::max<int64_t>(rows, config_.vision.tokens()), widest_text(config_));
  return model::language_scratch(config_, rows, out_rows, scratch_.data(), nullptr);
}

}  // namespace owl3::model
