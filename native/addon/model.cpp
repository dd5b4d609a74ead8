#include "model.h"

#include <optional>

#include "backends/backends.h"
#include "exports.h"
#include "gguf.h"

namespace owl3::addon {
namespace {

constexpr int32_t max_threads = 1024;
constexpr int64_t max_crops = 1 << 20;

Napi::Number number(Napi::Env env, uint64_t v) {
  return Napi::Number::New(env, static_cast<double>(v));
}

ops::BackendOptions to_backend_options(Napi::Object o) {
  const Napi::Env env = o.Env();
  ops::BackendOptions b;
  if (const Napi::Value v = o.Get("threads"); !v.IsUndefined()) b.threads = to_int32(v, "threads", 0, max_threads);
  if (const Napi::Value v = o.Get("precision"); !v.IsUndefined()) {
    const std::string precision = v.ToString();
    if (precision == "fast")
      b.precision = ops::Precision::fast;
    else if (precision == "exact")
      b.precision = ops::Precision::exact;
    else if (precision != "auto")
      throw invalid(env, "precision must be auto, fast or exact, not '" + precision + "'");
  }
  return b;
}

/// `kvType` may be left out: what the file's models use by default.
model::PlanOptions to_plan_options(Napi::Value v, std::optional<ops::KvType>* kv_type) {
  const Napi::Object o = to_object(v, "options");
  if (const Napi::Value type = o.Get("kvType"); !type.IsUndefined()) *kv_type = to_kv_type(type);
  return {.context = to_int32(o.Get("contextLength"), "contextLength", 1),
          .crops = to_integer(o.Get("crops"), "crops", 0, max_crops),
          .sequences = to_int32(o.Get("sequences"), "sequences", 1, 1 << 16),
          .max_rows = to_int32(o.Get("prefillChunk"), "prefillChunk", 1, 1 << 20),
          .logit_rows = o.Get("logitRows").IsUndefined() ? 0 : to_int32(o.Get("logitRows"), "logitRows", 1, 1 << 20)};
}

/// Where a model is opened, and how.
struct OpenOptions {
  std::string path, device = "auto", copy_prefix = {};
  ops::BackendOptions backend = {};
  model::PlaceOptions place = {};
  std::shared_ptr<model::Model> open(model::Load load, model::Loading* loading = nullptr) const {
    const bool shared = place.gpu_layers >= 0;  // the other layers need the CPU
    return model::Model::open(path, backends::make_backends(device, backend, shared), {load, copy_prefix, loading},
                              place);
  }
};

OpenOptions to_open_options(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw invalid(info.Env(), "the path of a model must be a string");
  OpenOptions options{.path = info[0].As<Napi::String>()};
  if (info[1].IsUndefined()) return options;
  const Napi::Object o = to_object(info[1], "options");
  if (const Napi::Value v = o.Get("device"); !v.IsUndefined()) options.device = v.ToString();
  if (const Napi::Value v = o.Get("weightsCopy"); !v.IsUndefined()) options.copy_prefix = to_string(v, "weightsCopy");
  if (const Napi::Value v = o.Get("gpuLayers"); !v.IsUndefined())
    options.place.gpu_layers = to_int32(v, "gpuLayers", -1, 1 << 24);
  if (const Napi::Value v = o.Get("placedFor"); !v.IsUndefined()) {
    options.place.work = to_plan_options(v, &options.place.kv_type);
  }
  options.backend = to_backend_options(o);
  return options;
}

Napi::Value open_model(const Napi::CallbackInfo& info) {
  auto* classes = static_cast<Classes*>(info.Data());
  std::shared_ptr<model::Loading> loading;
  if (!info[2].IsUndefined()) loading = unwrap<LoadingObject>(info[2], classes->loading, "loading").state();
  return run_async(
      info.Env(),
      [options = to_open_options(info), loading] { return options.open(model::Load::weights, loading.get()); },
      [classes](Napi::Env env, std::shared_ptr<model::Model> model) -> Napi::Value {
        return ModelObject::wrap(env, *classes, std::move(model));
      });
}

model::MemoryPlan plan_of(model::Model& model, model::PlanOptions options, std::optional<ops::KvType> kv_type) {
  options.kv_type = kv_type.value_or(model.default_kv_type());
  return model.plan(options);
}

Napi::Object to_js_part(Napi::Env env, const model::MemoryPart& part) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("weights", number(env, part.weights));
  out.Set("kvCache", number(env, part.kv_cache));
  out.Set("visualKv", number(env, part.visual_kv));
  out.Set("embeds", number(env, part.embeds));
  out.Set("scratch", number(env, part.scratch));
  out.Set("total", number(env, part.total()));
  return out;
}

Napi::Object to_js_plan(Napi::Env env, const model::MemoryPlan& plan) {
  Napi::Object out = to_js_part(env, plan);
  Napi::Array devices = Napi::Array::New(env, plan.devices.size());
  for (uint32_t i = 0; i < plan.devices.size(); i++) {
    Napi::Object device = to_js_part(env, plan.devices[i].memory);
    device.Set("device", plan.devices[i].device);
    device.Set("name", plan.devices[i].name);
    device.Set("layers", Napi::Number::New(env, plan.devices[i].layers));
    device.Set("freeMemory", number(env, plan.devices[i].free_memory));
    device.Set("heldScratch", number(env, plan.devices[i].held_scratch));
    devices.Set(i, device);
  }
  out.Set("devices", devices);
  return out;
}

Napi::Value plan_model(const Napi::CallbackInfo& info) {
  std::optional<ops::KvType> kv_type;
  const model::PlanOptions work = to_plan_options(info[2], &kv_type);
  return run_async(
      info.Env(),
      [options = to_open_options(info), work, kv_type] {
        return plan_of(*options.open(model::Load::plan), work, kv_type);
      },
      [](Napi::Env env, const model::MemoryPlan& plan) -> Napi::Value { return to_js_plan(env, plan); });
}

Napi::Value create_loading(const Napi::CallbackInfo& info) {
  return static_cast<Classes*>(info.Data())->loading.New({});
}

Napi::Value create_sampler(const Napi::CallbackInfo& info) {
  return static_cast<Classes*>(info.Data())->sampler.New({info[0]});
}

}  // namespace

const char* kv_type_name(ops::KvType type) {
  return type == ops::KvType::f32 ? "f32" : type == ops::KvType::f16 ? "f16" : "q8_0";
}

ops::KvType to_kv_type(Napi::Value v) {
  const std::string name = v.ToString();
  for (ops::KvType type : {ops::KvType::f32, ops::KvType::f16, ops::KvType::q8_0})
    if (name == kv_type_name(type)) return type;
  throw invalid(v.Env(), "the type of a KV cache must be f32, f16 or q8_0, not '" + name + "'");
}

void export_model(Napi::Env env, Napi::Object exports) {
  auto* classes = new Classes;  // until the environment ends
  env.SetInstanceData(classes);
  classes->model = Napi::Persistent(ModelObject::define(env, classes));
  classes->loading = Napi::Persistent(LoadingObject::define(env));
  classes->session = Napi::Persistent(SessionObject::define(env, classes));
  classes->embeds = Napi::Persistent(EmbedsObject::define(env, classes));
  classes->sampler = Napi::Persistent(SamplerObject::define(env, classes));
  exports.Set("openModel", Napi::Function::New(env, open_model, "openModel", classes));
  exports.Set("createLoading", Napi::Function::New(env, create_loading, "createLoading", classes));
  exports.Set("planModel", Napi::Function::New(env, plan_model, "planModel"));
  exports.Set("createSampler", Napi::Function::New(env, create_sampler, "createSampler", classes));
  export_constrain(env, exports, classes);
}

Napi::Function LoadingObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeLoading",
      {InstanceAccessor<&LoadingObject::bytes>("bytes"), InstanceAccessor<&LoadingObject::total>("total")});
}

Napi::Value LoadingObject::bytes(const Napi::CallbackInfo& info) {
  return number(info.Env(), state_->bytes);
}
Napi::Value LoadingObject::total(const Napi::CallbackInfo& info) {
  return number(info.Env(), state_->total);
}

Napi::Function ModelObject::define(Napi::Env env, Classes* classes) {
  return DefineClass(
      env, "NativeModel",
      {InstanceAccessor<&ModelObject::config>("config"), InstanceAccessor<&ModelObject::metadata>("metadata"),
       InstanceAccessor<&ModelObject::backend>("backend"), InstanceAccessor<&ModelObject::threads>("threads"),
       InstanceAccessor<&ModelObject::weight_bytes>("weightBytes"),
       InstanceAccessor<&ModelObject::mapped_bytes>("mappedBytes"),
       InstanceAccessor<&ModelObject::token_bytes>("tokenBytes"),
       InstanceAccessor<&ModelObject::default_kv_type>("defaultKvType"),
       InstanceAccessor<&ModelObject::encoded_share>("encodedShare"), InstanceMethod<&ModelObject::plan>("plan"),
       InstanceMethod<&ModelObject::kv_bytes>("kvBytes"), InstanceMethod<&ModelObject::encode>("encode"),
       InstanceMethod<&ModelObject::embeds_from>("embedsFrom"),
       InstanceMethod<&ModelObject::create_session>("createSession"), InstanceMethod<&ModelObject::dispose>("dispose")},
      classes);
}

ModelObject::ModelObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ModelObject>(info), classes_(static_cast<Classes*>(info.Data())) {
  model_ = handed<std::shared_ptr<model::Model>>(info, "models are made by openModel");
}

Napi::Object ModelObject::wrap(Napi::Env env, Classes& classes, std::shared_ptr<model::Model> model) {
  return classes.model.New({Napi::External<std::shared_ptr<model::Model>>::New(env, &model)});
}

const std::shared_ptr<model::Model>& ModelObject::use(Napi::Env env) const {
  if (!model_) throw invalid(env, "this model was disposed of");
  return model_;
}

Napi::Value ModelObject::config(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const model::Config& c = use(env)->config();
  Napi::Object o = Napi::Object::New(env);
  const auto set = [&](Napi::Object& to, const char* key, int32_t v) { to.Set(key, Napi::Number::New(env, v)); };
  o.Set("name", c.name);
  set(o, "numLayers", c.num_layers);
  set(o, "hiddenSize", c.hidden_size);
  set(o, "intermediateSize", c.intermediate_size);
  set(o, "numHeads", c.num_heads);
  set(o, "numKvHeads", c.num_kv_heads);
  set(o, "headDim", c.head_dim);
  set(o, "vocabSize", c.vocab_size);
  set(o, "contextLength", c.context_length);
  Napi::Array hyper = Napi::Array::New(env, c.hyper_layers.size());
  for (uint32_t i = 0; i < c.hyper_layers.size(); i++) hyper.Set(i, Napi::Number::New(env, c.hyper_layers[i]));
  o.Set("hyperLayers", hyper);
  o.Set("hyperKind", model::hyper_kind_name(c.hyper_kind));
  set(o, "cropSize", c.vision.crop_size);
  set(o, "patchSize", c.vision.patch_size);
  set(o, "cropTokens", c.vision.crop_tokens());
  Napi::Object v = Napi::Object::New(env);
  set(v, "hiddenSize", c.vision.hidden_size);
  set(v, "intermediateSize", c.vision.intermediate_size);
  set(v, "numLayers", c.vision.num_layers);
  set(v, "numHeads", c.vision.num_heads);
  o.Set("vision", v);
  return o;
}

Napi::Value ModelObject::metadata(const Napi::CallbackInfo& info) {
  return metadata_to_js(info.Env(), use(info.Env())->file());
}
Napi::Value ModelObject::backend(const Napi::CallbackInfo& info) {
  std::string names;
  for (const model::Stage& stage : use(info.Env())->stages())
    names += (names.empty() ? "" : " + ") + stage.backend->name();
  return Napi::String::New(info.Env(), names);
}
Napi::Value ModelObject::threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), use(info.Env())->backend().threads());
}
Napi::Value ModelObject::mapped_bytes(const Napi::CallbackInfo& info) {
  return number(info.Env(), use(info.Env())->mapped_bytes());
}

Napi::Value ModelObject::weight_bytes(const Napi::CallbackInfo& info) {
  return number(info.Env(), use(info.Env())->weights().bytes);
}
Napi::Value ModelObject::token_bytes(const Napi::CallbackInfo& info) {
  return number(info.Env(), use(info.Env())->weights().token_bytes);
}
Napi::Value ModelObject::default_kv_type(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), kv_type_name(use(info.Env())->default_kv_type()));
}

Napi::Value ModelObject::encoded_share(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), use(info.Env())->encoded_share());
}

/// Bytes of what a KV cache is made of.
Napi::Value ModelObject::kv_bytes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const model::Config& c = use(env)->config();
  const ops::KvType type = to_kv_type(info[0]);
  Napi::Object o = Napi::Object::New(env);
  o.Set("page", number(env, guarded(env, [&] { return model::page_bytes(c, type); })));
  o.Set("pagePositions", Napi::Number::New(env, model::page_positions));
  o.Set("crop", number(env, guarded(env, [&] { return model::crop_bytes(c, type); })));
  return o;
}

Napi::Value ModelObject::plan(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<model::Model>& model = use(env);
  std::optional<ops::KvType> kv_type;
  const model::PlanOptions work = to_plan_options(info[0], &kv_type);
  return to_js_plan(env, guarded(env, [&] { return plan_of(*model, work, kv_type); }));
}

Napi::Value ModelObject::encode(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::shared_ptr<model::Model> model = use(env);
  const int64_t n = to_integer(info[1], "the number of crops", 1, max_crops);
  std::vector<uint8_t> crops = to_vector<uint8_t>(info[0], napi_uint8_array, "crops");
  const int64_t side = model->config().vision.crop_size, expected = n * 3 * side * side;
  if (static_cast<int64_t>(crops.size()) != expected)
    throw invalid(env, "crops hold " + std::to_string(crops.size()) + " bytes, expected " + std::to_string(expected));
  return run_async(
      env, [model, crops = std::move(crops), n] { return model->encode(crops.data(), n); },
      [classes = classes_, model](Napi::Env e, std::shared_ptr<const model::Embeds> embeds) -> Napi::Value {
        return EmbedsObject::wrap(e, *classes, model, std::move(embeds));
      });
}

Napi::Value ModelObject::embeds_from(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<model::Model>& model = use(env);
  const int64_t n = to_integer(info[1], "the number of crops", 1, max_crops);
  const std::vector<float> data = to_vector<float>(info[0], napi_float32_array, "embeddings");
  const int64_t expected = n * model->config().vision.crop_tokens() * model->config().hidden_size;
  if (static_cast<int64_t>(data.size()) != expected)
    throw invalid(env,
                  "embeddings hold " + std::to_string(data.size()) + " values, expected " + std::to_string(expected));
  return EmbedsObject::wrap(env, *classes_, model, guarded(env, [&] { return model->embeds_from(data.data(), n); }));
}

Napi::Value ModelObject::create_session(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::shared_ptr<model::Model> model = use(env);
  const Napi::Object o = to_object(info[0], "options");
  model::SessionOptions s;
  s.context = to_int32(o.Get("contextLength"), "contextLength", 1);
  s.kv_type = to_kv_type(o.Get("kvType"));
  s.max_rows = to_int32(o.Get("prefillChunk"), "prefillChunk", 1, 1 << 20);
  if (const Napi::Value pages = o.Get("pages"); !pages.IsUndefined()) s.max_pages = to_int32(pages, "pages", 1);
  auto state = std::make_shared<SessionObject::State>();
  state->session = guarded(env, [&] { return std::make_unique<model::Session>(model, s); });
  state->model = std::move(model);
  return classes_->session.New({Napi::External<std::shared_ptr<SessionObject::State>>::New(env, &state)});
}

void ModelObject::dispose(const Napi::CallbackInfo&) {
  model_.reset();
}

}  // namespace owl3::addon
