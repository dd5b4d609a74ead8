#include "model/model.h"

#include <algorithm>

#include "base/heap.h"
#include "base/math.h"
#include "model/vision.h"

namespace owl3::model {

std::shared_ptr<Model> Model::open(const std::string& path, std::vector<std::shared_ptr<ops::Backend>> backends,
                                   const LoadOptions& load, const PlaceOptions& place) {
  return open(gguf::File::open(path), std::move(backends), load, place);
}

std::shared_ptr<Model> Model::open(std::shared_ptr<const gguf::File> file,
                                   std::vector<std::shared_ptr<ops::Backend>> backends, const LoadOptions& load,
                                   const PlaceOptions& place) {
  // malloc would keep what was small: of the demo model, and of the work that it did, some 50 MB.
  // A plan has read nothing that would be worth it.
  const auto release = [loaded = load.load == Load::weights](Model* model) {
    delete model;
    if (loaded) trim_heap();
  };
  return {new Model(std::move(file), std::move(backends), load, place), release};
}

Model::Model(std::shared_ptr<const gguf::File> file, std::vector<std::shared_ptr<ops::Backend>> backends,
             const LoadOptions& load, const PlaceOptions& place)
    : file_(std::move(file)),
      config_(read_config(*file_)),
      stages_(make_stages(config_, place_layers(*file_, config_, std::move(backends), place))),
      weights_(load_weights(*file_, config_, stages_, load)),
      language_(config_, weights_, stages_) {}

uint64_t Model::mapped_bytes() const {
  uint64_t bytes = 0;
  for (const Stage& stage : stages_) bytes += stage.backend->mapped_bytes();
  return bytes;
}

MemoryPlan Model::plan(const PlanOptions& options) const {
  return plan_memory(config_, stages_, weights_.stage_bytes, options);
}

std::shared_ptr<const Embeds> Model::encode(const uint8_t* crops, int64_t n) {
  const std::lock_guard lock(run_mutex_);
  const VisionConfig& v = config_.vision;
  Stage& stage = stages_.front();
  ops::Backend& backend = *stage.backend;
  auto embeds = std::make_shared<Embeds>(Embeds{backend.allocate(embeds_bytes(config_, n)), n});
  const int64_t batch = std::min(n, vision_batch(v)), crop_size = int64_t{3} * v.crop_size * v.crop_size;
  stage.activations.reserve(backend, vision_activation_bytes(config_, batch));
  backend.reserve(vision_need(config_, batch));
  struct Forget {
    std::atomic<int64_t>& layers;
    ~Forget() { layers = 0; }
  } const forget{encoded_layers_};
  layers_to_encode_ = static_cast<int64_t>(weights_.vision.layers.size()) * divide_up(n, batch);
  for (int64_t i = 0; i < n; i += batch) {
    const int64_t some = std::min(batch, n - i);
    float* out = static_cast<float*>(embeds->memory.get()) + i * v.crop_tokens() * config_.hidden_size;
    encode_crops(config_, weights_.vision, backend, vision_scratch(config_, batch, stage.activations.data(), nullptr),
                 crops + i * crop_size, some, out, encoded_layers_);
  }
  backend.wait(backend.submit());
  return embeds;
}

std::shared_ptr<const Embeds> Model::embeds_from(const float* data, int64_t n) {
  const uint64_t bytes = embeds_bytes(config_, n);
  auto embeds = std::make_shared<Embeds>(Embeds{backend().allocate(bytes), n});
  backend().copy_to_device(embeds->memory.get(), data, bytes);
  backend().wait(backend().submit());
  return embeds;
}

void Model::copy_embeds(const Embeds& embeds, float* to) const {
  backend().read(to, embeds.memory.get(), embeds_bytes(config_, embeds.n));
}

}  // namespace owl3::model
