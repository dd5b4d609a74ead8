// Models whose keys, counts and tensors are changed: any bytes are the changes, the memory of a device and the work to
// plan. A file may only be refused with bad_model. One that is let through is planned, opened where it is small, and
// must answer on the backend in plain loops, or say that its numbers are not finite.
#include "base/error.h"
#include "model/session.h"
#include "model_file.h"
#include "sample/sampler.h"

using namespace owl3;
using fuzz::Input;
using fuzz::require;

namespace {

using Backend = std::shared_ptr<ops::Backend>;

/// A device with memory of its own, as far as plans go.
struct Device : test::NaiveBackend {
  uint64_t memory = 0;
  uint64_t free_memory() const override { return memory; }
};

/// Layers are shared out between a device and the host.
void place(const std::shared_ptr<const gguf::File>& file, const Backend& backend, Input& in) {
  const auto device = std::make_shared<Device>();
  device->memory = in.integer() % (uint64_t{1} << 50);  // the driver says it, and no file
  model::PlaceOptions options;
  options.gpu_layers = static_cast<int32_t>(in.below(5)) - 1;
  try {
    model::Model::open(file, {device, backend}, {.load = model::Load::plan}, options)->plan(options.work);
  } catch (const Error& e) {
    require(e.code == ErrorCode::out_of_memory || e.code == ErrorCode::bad_model);
  }
}

/// The memory that work takes only grows with it, and no sum has gone past 64 bits.
void plan(const std::shared_ptr<const gguf::File>& file, const Backend& backend, Input& in) {
  const auto planned = model::Model::open(file, {backend}, {.load = model::Load::plan});
  const auto scaled = [&](int64_t most) { return most >> in.below(24); };
  const model::PlanOptions small = {.context = static_cast<int32_t>(scaled(planned->config().context_length)),
                                    .crops = scaled(1 << 20),
                                    .sequences = static_cast<int32_t>(scaled(1 << 16)),
                                    .kv_type = static_cast<ops::KvType>(in.below(3)),
                                    .max_rows = static_cast<int32_t>(scaled(1 << 20)),
                                    .logit_rows = static_cast<int32_t>(scaled(1 << 20))};
  model::PlanOptions large = small;
  large.context = std::max(large.context, planned->config().context_length / 2);
  large.crops *= 2, large.max_rows *= 2, large.sequences *= 2;
  try {
    const model::MemoryPlan a = planned->plan(small), b = planned->plan(large);
    require(a.weights == b.weights && a.kv_cache <= b.kv_cache && a.visual_kv <= b.visual_kv && a.embeds <= b.embeds &&
            a.scratch <= b.scratch && b.total() >= b.scratch && b.total() < uint64_t{1} << 62);
  } catch (const Error& e) {
    // A size that overflows, or heads that a KV cache of this type can't have
    require(e.code == ErrorCode::bad_model || (e.code == ErrorCode::unsupported && small.kv_type == ops::KvType::q8_0));
  }
}

/// A picture and three ids, then one more; every pick is an id, and the sampler refuses what is not finite.
void answer(const std::shared_ptr<model::Model>& model, Input& in) {
  const model::Config& c = model->config();
  const std::vector<uint8_t> pixels(static_cast<size_t>(3 * c.vision.crop_size * c.vision.crop_size), in.byte());
  const auto embeds = model->encode(pixels.data(), 1);
  const auto kv_type = in.byte() % 2 == 0 ? ops::KvType::f16 : ops::KvType::f32;
  model::Session session(model, {.context = std::min(c.context_length, 4), .kv_type = kv_type, .max_rows = 3});
  const int32_t sequence = session.create();
  sample::Sampler sampler({.temperature = static_cast<float>(in.byte() % 2), .logprobs = 2});
  std::vector<int32_t> ids(static_cast<size_t>(std::min(c.context_length, 3)));
  for (int32_t& id : ids) id = static_cast<int32_t>(in.below(static_cast<size_t>(c.vocab_size)));
  const model::MediaSlot picture{.offset = 0, .embeds = embeds, .crop = 0};
  model::Part part{.sequence = sequence, .ids = ids, .media = {&picture, 1}, .wanted = 1, .picked = 4, .whole = true};
  for (int steps = 0; steps < 2 && session.length(sequence) + static_cast<int>(ids.size()) <= c.context_length;
       steps++) {
    const model::Logits logits = session.advance({&part, 1})[0];
    for (const int32_t id : logits.picked[0].ids) require(id >= 0 && id < c.vocab_size);
    const sample::Sampled drawn = sampler.sample(logits.whole);
    require(drawn.token.id >= 0 && drawn.token.id < c.vocab_size);
    ids.assign(1, drawn.token.id);
    part.ids = ids, part.media = {};
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto bases = [] {
    std::vector<fuzz::ModelFile> files;
    for (const auto kind : {model::HyperKind::fused, model::HyperKind::gated_head, model::HyperKind::gated_channel})
      files.emplace_back(fuzz::one_layer(kind));
    return files;
  }();
  static const Backend backend = std::make_shared<test::NaiveBackend>();
  Input in(data, size);
  const uint8_t choice = in.byte();
  fuzz::ModelFile changed = bases[choice % bases.size()];
  for (int changes = choice / 4 % 4; changes > 0; changes--) changed.change(in);
  const std::string bytes = changed.bytes();
  try {
    const auto file = gguf::File::from_memory("fuzz", bytes);
    plan(file, backend, in);
    // Answering takes longer than all else, so few do; a file as small as this asks for much only by large crops.
    if (choice / 16 % 4 == 1) place(file, backend, in);
    if (choice / 16 % 8 == 0 && model::read_config(*file).vision.crop_size <= 32)
      answer(model::Model::open(file, {backend}), in);
  } catch (const Error& e) {
    require(e.code == ErrorCode::bad_model);
  }
  return 0;
}
