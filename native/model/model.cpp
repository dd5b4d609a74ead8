#include "model/model.h"

#include <algorithm>

#include "base/checked.h"
#include "model/vision.h"

namespace owl3::model {
namespace {

/// The most inputs that a product of the vision tower or the projector has.
int64_t max_vision_cols(const Config& c) {
  return std::max({int64_t{c.vision.hidden_size}, int64_t{c.vision.intermediate_size}, int64_t{c.vision.patch_values()},
                   int64_t{c.hidden_size}});
}

}  // namespace

std::shared_ptr<Model> Model::open(const std::string& path, std::vector<std::shared_ptr<ops::Backend>> backends,
                                   Load load, const std::string& copy_prefix) {
  return std::shared_ptr<Model>(new Model(gguf::File::open(path), std::move(backends), load, copy_prefix));
}

Model::Model(std::shared_ptr<const gguf::File> file, std::vector<std::shared_ptr<ops::Backend>> backends, Load load,
             const std::string& copy_prefix)
    : file_(std::move(file)),
      config_(read_config(*file_)),
      stages_(make_stages(config_, spread_evenly(std::move(backends), config_.num_layers))),
      weights_(load_weights(*file_, config_, stages_, load, copy_prefix)),
      language_(config_, weights_, stages_) {}

uint64_t Model::mapped_bytes() const {
  uint64_t bytes = 0;
  for (const Stage& stage : stages_) bytes += stage.backend->mapped_bytes();
  return bytes;
}

uint64_t Model::embeds_bytes(int64_t n) const {
  const uint64_t one =
      static_cast<uint64_t>(config_.vision.crop_tokens()) * static_cast<uint64_t>(config_.hidden_size) * sizeof(float);
  return checked_mul(static_cast<uint64_t>(n), one, "image embeddings");
}

size_t Model::vision_bytes(int64_t crops) const {
  size_t bytes = 0;
  vision_scratch(config_, crops, nullptr, &bytes);
  return bytes;
}

MemoryPlan Model::plan(const PlanOptions& o) const {
  const uint64_t sequences = static_cast<uint64_t>(std::max(1, o.sequences));
  const uint64_t pages = static_cast<uint64_t>((int64_t{o.context} + page_positions - 1) / page_positions);
  const int64_t rows = std::max<int64_t>(std::min(o.max_rows, o.context), static_cast<int64_t>(sequences));
  const int64_t logit_rows = std::max<int64_t>(o.logit_rows, static_cast<int64_t>(sequences));
  MemoryPlan p;
  p.weights = weights_.bytes;
  p.kv_cache = checked_mul(checked_mul(pages, sequences, "KV cache"), page_bytes(config_, o.kv_type), "KV cache");
  p.visual_kv = checked_mul(static_cast<uint64_t>(o.crops), crop_bytes(config_, o.kv_type), "visual keys and values");
  p.embeds = embeds_bytes(o.crops);
  // Samplers that look at whole rows copy them to the host.
  p.scratch = checked_mul(static_cast<uint64_t>(logit_rows), static_cast<uint64_t>(config_.vocab_size) * sizeof(float),
                          "logits");
  const int64_t tokens = config_.vision.crop_tokens();
  for (const Stage& stage : stages_) {
    std::vector<ops::ScratchNeed> needs = {{std::max(rows, tokens), language_.max_cols()}};
    size_t activations = language_.activation_bytes(rows, logit_rows);
    if (o.crops > 0 && &stage == &stages_.front()) {
      const int64_t batch = std::min(o.crops, vision_batch(config_.vision));
      activations = std::max(activations, vision_bytes(batch));
      needs.push_back({batch * tokens, max_vision_cols(config_)});
    }
    p.scratch += activations + stage.backend->scratch_bytes(needs);
  }
  return p;
}

std::shared_ptr<const Embeds> Model::encode(const uint8_t* crops, int64_t n) {
  const std::lock_guard lock(run_mutex_);
  const VisionConfig& v = config_.vision;
  Stage& stage = stages_.front();
  ops::Backend& backend = *stage.backend;
  auto embeds = std::make_shared<Embeds>(Embeds{backend.allocate(embeds_bytes(n)), n});
  const int64_t batch = std::min(n, vision_batch(v)), crop_size = int64_t{3} * v.crop_size * v.crop_size;
  stage.activations.reserve(backend, vision_bytes(batch));
  backend.reserve(batch * v.crop_tokens(), max_vision_cols(config_));
  encoded_layers_ = 0;
  layers_to_encode_ = static_cast<int64_t>(weights_.vision.layers.size()) * ((n + batch - 1) / batch);
  for (int64_t i = 0; i < n; i += batch) {
    const int64_t some = std::min(batch, n - i);
    float* out = static_cast<float*>(embeds->memory.get()) + i * v.crop_tokens() * config_.hidden_size;
    encode_crops(config_, weights_.vision, backend, vision_scratch(config_, batch, stage.activations.data(), nullptr),
                 crops + i * crop_size, some, out, encoded_layers_);
  }
  backend.wait(backend.submit());
  encoded_layers_ = 0;
  return embeds;
}

std::shared_ptr<const Embeds> Model::embeds_from(const float* data, int64_t n) {
  const uint64_t bytes = embeds_bytes(n);
  auto embeds = std::make_shared<Embeds>(Embeds{backend().allocate(bytes), n});
  backend().copy_to_device(embeds->memory.get(), data, bytes);
  return embeds;
}

void Model::copy_embeds(const Embeds& embeds, float* to) const {
  backend().read(to, embeds.memory.get(), embeds_bytes(embeds.n));
}

}  // namespace owl3::model
