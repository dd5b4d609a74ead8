#include "model/plan.h"

#include <algorithm>

#include "base/checked.h"
#include "base/math.h"
#include "model/kv_cache.h"
#include "model/scratch.h"
#include "model/vision.h"

namespace owl3::model {
namespace {

constexpr const char* host = "cpu";

DevicePart plan_stage(const Config& c, const Stage& stage, bool first, uint64_t weights, const PlanOptions& o) {
  const ops::Backend& backend = *stage.backend;
  const int64_t sequences = std::max(1, o.sequences);
  const int64_t pages = divide_up(o.context, page_positions) * sequences;
  const int64_t rows = std::max<int64_t>(std::min(o.max_rows, o.context), sequences);
  const int64_t logit_rows = std::max<int64_t>(o.logit_rows, sequences);
  const ops::KvShape shape = kv_shape(c, stage, o.kv_type);
  DevicePart device{
      .device = backend.device(), .name = backend.name(), .layers = stage.layers, .free_memory = backend.free_memory()};
  MemoryPart& p = device.memory;
  p.weights = weights;
  p.kv_cache = backend.kv_bytes(shape, pages, 0);
  p.visual_kv = backend.kv_bytes(shape, pages, o.crops) - p.kv_cache;
  std::vector<ops::ScratchNeed> needs = {language_need(c, stage, {rows, logit_rows, sequences, o.context, o.crops})};
  size_t activations = 0;
  language_scratch(c, rows, logit_rows, nullptr, &activations);
  if (o.crops > 0 && first) {
    p.embeds =
        checked_mul(static_cast<uint64_t>(o.crops), backend.allocation_bytes(embeds_bytes(c, 1)), "image embeddings");
    const int64_t batch = std::min(o.crops, vision_batch(c.vision));
    activations = std::max(activations, vision_activation_bytes(c, batch));
    needs.push_back(vision_need(c, batch));
  }
  p.scratch = backend.allocation_bytes(activations) + backend.scratch_bytes(needs);
  if (device.free_memory == 0) return device;
  device.held_scratch = backend.held_scratch_bytes(needs);
  if (const size_t held = std::min(activations, stage.activations.bytes()); held > 0)
    device.held_scratch += backend.allocation_bytes(held);
  return device;
}

}  // namespace

void MemoryPart::add(const MemoryPart& other) {
  weights += other.weights;
  kv_cache += other.kv_cache;
  visual_kv += other.visual_kv;
  embeds += other.embeds;
  scratch += other.scratch;
}

uint64_t embeds_bytes(const Config& c, int64_t crops) {
  const uint64_t one =
      static_cast<uint64_t>(c.vision.crop_tokens()) * static_cast<uint64_t>(c.hidden_size) * sizeof(float);
  return checked_mul(static_cast<uint64_t>(crops), one, "image embeddings");
}

size_t next_ids_bytes(std::span<const Stage> stages, int32_t max_rows) {
  if (stages.size() > 1 || !stages.front().backend->runs_ahead()) return 0;
  return static_cast<size_t>(max_rows) * sizeof(int32_t);
}

size_t vision_activation_bytes(const Config& c, int64_t crops) {
  size_t bytes = 0;
  vision_scratch(c, crops, nullptr, &bytes);
  return bytes;
}

ops::ScratchNeed language_need(const Config& c, const Stage& stage, const PassSize& size) {
  return {.rows = std::max<int64_t>(size.rows, c.vision.crop_tokens()),
          .cols = std::max({int64_t{c.hidden_size}, int64_t{c.intermediate_size}, int64_t{c.num_heads} * c.head_dim}),
          .heads = c.num_heads,
          .head_dim = c.head_dim,
          .sequences = size.sequences,
          .positions = size.positions,
          .crops = size.crops,
          .layers = stage.layers,
          .picked = size.wanted,
          .vocab_size = c.vocab_size};
}

ops::ScratchNeed vision_need(const Config& c, int64_t crops) {
  const VisionConfig& v = c.vision;
  return {.rows = crops * v.crop_tokens(),
          .cols = std::max({int64_t{v.hidden_size}, int64_t{v.intermediate_size}, int64_t{v.patch_values()},
                            int64_t{c.hidden_size}}),
          .pixels = static_cast<uint64_t>(crops * 3 * v.crop_size * v.crop_size)};
}

ops::KvShape kv_shape(const Config& c, const Stage& stage, ops::KvType type) {
  return {.type = type,
          .layers = stage.layers,
          .hyper_layers = stage.hyper_layers,
          .kv_heads = c.num_kv_heads,
          .head_dim = c.head_dim,
          .page_positions = page_positions,
          .crop_tokens = c.vision.crop_tokens()};
}

MemoryPlan plan_memory(const Config& c, std::span<const Stage> stages, std::span<const uint64_t> weight_bytes,
                       const PlanOptions& o) {
  MemoryPlan plan;
  const size_t next_ids = next_ids_bytes(stages, std::max({1, o.max_rows, o.sequences}));
  for (size_t i = 0; i < stages.size(); i++)
    plan.devices.push_back(plan_stage(c, stages[i], i == 0, weight_bytes[i], o));
  if (next_ids > 0) plan.devices.front().memory.scratch += stages.front().backend->allocation_bytes(next_ids);
  // Samplers that look at whole rows copy them to the host.
  const auto logit_rows = static_cast<uint64_t>(std::max(o.logit_rows, std::max(1, o.sequences)));
  const uint64_t logits = checked_mul(logit_rows, static_cast<uint64_t>(c.vocab_size) * sizeof(float), "logits");
  const auto on_host = std::ranges::find(plan.devices, host, &DevicePart::device);
  DevicePart& part =
      on_host == plan.devices.end() ? plan.devices.emplace_back(DevicePart{.device = host, .name = host}) : *on_host;
  part.memory.scratch += logits;
  for (const DevicePart& device : plan.devices) plan.add(device.memory);
  return plan;
}

}  // namespace owl3::model
