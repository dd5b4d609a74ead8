#include "model.h"

namespace owl3::addon {
namespace {

Napi::Object to_object(Napi::Env env, const sample::TokenLogprob& t) {
  Napi::Object o = Napi::Object::New(env);
  o.Set("id", Napi::Number::New(env, t.id));
  o.Set("logprob", Napi::Number::New(env, static_cast<double>(t.logprob)));
  return o;
}
Napi::Array to_array(Napi::Env env, const std::vector<sample::TokenLogprob>& list) {
  Napi::Array a = Napi::Array::New(env, list.size());
  for (uint32_t i = 0; i < list.size(); i++) a.Set(i, to_object(env, list[i]));
  return a;
}
Napi::Object sampled_to_js(Napi::Env env, const sample::Sampled& sampled) {
  Napi::Object o = to_object(env, sampled.token);
  o.Set("top", to_array(env, sampled.top));
  return o;
}

}  // namespace

Napi::Function SessionObject::define(Napi::Env env, Classes* classes) {
  return DefineClass(
      env, "NativeSession",
      {InstanceMethod<&SessionObject::create>("create"), InstanceMethod<&SessionObject::fork>("fork"),
       InstanceMethod<&SessionObject::remove>("remove"), InstanceMethod<&SessionObject::length>("length"),
       InstanceMethod<&SessionObject::truncate>("truncate"), InstanceMethod<&SessionObject::prefill>("prefill"),
       InstanceMethod<&SessionObject::verify>("verify"), InstanceMethod<&SessionObject::speculate>("speculate"),
       InstanceMethod<&SessionObject::step>("step"), InstanceMethod<&SessionObject::sample>("sample"),
       InstanceMethod<&SessionObject::logits>("logits"), InstanceMethod<&SessionObject::top_logprobs>("topLogprobs"),
       InstanceAccessor<&SessionObject::bytes>("bytes"), InstanceMethod<&SessionObject::dispose>("dispose")},
      classes);
}

SessionObject::SessionObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SessionObject>(info), classes_(static_cast<Classes*>(info.Data())) {
  if (!info[0].IsExternal()) throw invalid(info.Env(), "sessions are made by a model's createSession");
  state_ = *info[0].As<Napi::External<std::shared_ptr<State>>>().Data();
}

/// The session, when it may be touched now.
model::Session& SessionObject::use(Napi::Env env) const {
  if (state_->disposed) throw invalid(env, "this session was disposed of");
  if (state_->busy) throw invalid(env, "a call on this session is still running: await it first");
  return *state_->session;
}

/// Runs `work(session)` off the main thread; until it ends, other calls on this session are errors.
template <class Work, class Done>
Napi::Value SessionObject::start(Napi::Env env, Work work, Done done) {
  use(env);
  state_->busy = true;
  // Ends with the worker, on the main thread, before the promise's reactions run.
  std::shared_ptr<void> guard(nullptr, [state = state_](void*) {
    state->busy = false;
    if (state->disposed) state->session.reset();
  });
  return run_async(
      env, [state = state_, guard, work = std::move(work)]() mutable { return work(*state->session); },
      std::move(done));
}

Napi::Value SessionObject::create(const Napi::CallbackInfo& info) {
  model::Session& s = use(info.Env());
  return Napi::Number::New(info.Env(), guarded(info.Env(), [&] { return s.create(); }));
}
Napi::Value SessionObject::fork(const Napi::CallbackInfo& info) {
  model::Session& s = use(info.Env());
  const int32_t sequence = to_int32(info[0], "sequence");
  return Napi::Number::New(info.Env(), guarded(info.Env(), [&] { return s.fork(sequence); }));
}
void SessionObject::remove(const Napi::CallbackInfo& info) {
  model::Session& s = use(info.Env());
  const int32_t sequence = to_int32(info[0], "sequence");
  guarded(info.Env(), [&] { s.remove(sequence); });
}
Napi::Value SessionObject::length(const Napi::CallbackInfo& info) {
  model::Session& s = use(info.Env());
  const int32_t sequence = to_int32(info[0], "sequence");
  return Napi::Number::New(info.Env(), guarded(info.Env(), [&] { return s.length(sequence); }));
}
void SessionObject::truncate(const Napi::CallbackInfo& info) {
  model::Session& s = use(info.Env());
  const int32_t sequence = to_int32(info[0], "sequence"), length = to_int32(info[1], "length");
  guarded(info.Env(), [&] { s.truncate(sequence, length); });
}

std::vector<model::MediaSlot> SessionObject::media(Napi::Value v) const {
  if (!v.IsArray()) throw invalid(v.Env(), "media must be an array");
  const Napi::Array list = v.As<Napi::Array>();
  std::vector<model::MediaSlot> slots;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Object o = addon::to_object(list.Get(i), "a medium");
    const EmbedsObject& embeds = unwrap<EmbedsObject>(o.Get("embeds"), classes_->embeds, "embeds");
    std::shared_ptr<const model::Embeds> held = embeds.get(v.Env());
    if (embeds.model() != state_->model.get())
      throw invalid(v.Env(), "embeddings of another model can't be used in this session");
    slots.push_back({to_int32(o.Get("offset"), "offset"), std::move(held), to_int32(o.Get("crop"), "crop")});
  }
  return slots;
}

Napi::Value SessionObject::prefill(const Napi::CallbackInfo& info) {
  use(info.Env());
  const int32_t sequence = to_int32(info[0], "sequence");
  return start(
      info.Env(),
      [sequence, ids = to_ids(info[1], "ids"), slots = media(info[2])](model::Session& s) {
        s.prefill(sequence, ids, slots);
        return true;
      },
      [](Napi::Env env, bool) { return env.Undefined(); });
}

Napi::Value SessionObject::verify(const Napi::CallbackInfo& info) {
  use(info.Env());
  const int32_t sequence = to_int32(info[0], "sequence");
  return start(
      info.Env(), [sequence, ids = to_ids(info[1], "ids")](model::Session& s) { return s.verify(sequence, ids); },
      [](Napi::Env env, std::vector<int32_t> best) -> Napi::Value {
        Napi::Int32Array out = Napi::Int32Array::New(env, best.size());
        std::copy(best.begin(), best.end(), out.Data());
        return out;
      });
}

Napi::Value SessionObject::speculate(const Napi::CallbackInfo& info) {
  use(info.Env());
  const int32_t sequence = to_int32(info[0], "sequence");
  std::vector<int32_t> ids = to_ids(info[1], "ids");
  const std::shared_ptr<SamplerObject::State> sampler =
      unwrap<SamplerObject>(info[2], classes_->sampler, "sampler").state();
  if (sampler->busy) throw invalid(info.Env(), "this sampler is still drawing for another call");
  sampler->busy = true;
  std::shared_ptr<void> guard(nullptr, [sampler](void*) { sampler->busy = false; });
  return start(
      info.Env(),
      [sequence, ids = std::move(ids), sampler, guard](model::Session& s) {
        s.verify(sequence, ids);
        std::vector<sample::Sampled> drawn;
        do drawn.push_back(sampler->sampler.sample(s.verified(drawn.size())));
        while (drawn.size() < ids.size() && drawn.back().token.id == ids[drawn.size()]);
        s.keep(sequence, drawn.size());
        return drawn;
      },
      [](Napi::Env env, const std::vector<sample::Sampled>& drawn) -> Napi::Value {
        Napi::Array list = Napi::Array::New(env, drawn.size());
        for (uint32_t i = 0; i < drawn.size(); i++) list.Set(i, sampled_to_js(env, drawn[i]));
        return list;
      });
}

Napi::Value SessionObject::step(const Napi::CallbackInfo& info) {
  use(info.Env());
  return start(
      info.Env(),
      [sequences = to_ids(info[0], "sequences"), ids = to_ids(info[1], "ids")](model::Session& s) {
        s.step(sequences, ids);
        return true;
      },
      [](Napi::Env env, bool) { return env.Undefined(); });
}

Napi::Value SessionObject::sample(const Napi::CallbackInfo& info) {
  use(info.Env());
  const int32_t sequence = to_int32(info[0], "sequence");
  const std::shared_ptr<SamplerObject::State> sampler =
      unwrap<SamplerObject>(info[1], classes_->sampler, "sampler").state();
  if (sampler->busy) throw invalid(info.Env(), "this sampler is still drawing for another call");
  sampler->busy = true;
  std::shared_ptr<void> guard(nullptr, [sampler](void*) { sampler->busy = false; });
  return start(
      info.Env(), [sequence, sampler, guard](model::Session& s) { return sampler->sampler.sample(s.logits(sequence)); },
      [](Napi::Env env, const sample::Sampled& sampled) -> Napi::Value { return sampled_to_js(env, sampled); });
}

Napi::Value SessionObject::logits(const Napi::CallbackInfo& info) {
  model::Session& s = use(info.Env());
  const int32_t sequence = to_int32(info[0], "sequence");
  const std::span<const float> row = guarded(info.Env(), [&] { return s.logits(sequence); });
  Napi::Float32Array out = Napi::Float32Array::New(info.Env(), row.size());
  std::copy(row.begin(), row.end(), out.Data());
  return out;
}

Napi::Value SessionObject::top_logprobs(const Napi::CallbackInfo& info) {
  use(info.Env());
  const int32_t sequence = to_int32(info[0], "sequence"), k = to_int32(info[1], "k", 1);
  return start(
      info.Env(), [sequence, k](model::Session& s) { return sample::top_logprobs(s.logits(sequence), k); },
      [](Napi::Env env, std::vector<sample::TokenLogprob> top) -> Napi::Value { return to_array(env, top); });
}

Napi::Value SessionObject::bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(use(info.Env()).bytes()));
}

void SessionObject::dispose(const Napi::CallbackInfo&) {
  state_->disposed = true;
  if (!state_->busy) state_->session.reset();
}

Napi::Function EmbedsObject::define(Napi::Env env, Classes* classes) {
  return DefineClass(
      env, "NativeEmbeds",
      {InstanceAccessor<&EmbedsObject::crops>("crops"), InstanceAccessor<&EmbedsObject::bytes>("bytes"),
       InstanceMethod<&EmbedsObject::to_float32>("toFloat32"), InstanceMethod<&EmbedsObject::dispose>("dispose")},
      classes);
}

namespace {
struct EmbedsHandle {
  std::shared_ptr<model::Model> model;
  std::shared_ptr<const model::Embeds> embeds;
};
}  // namespace

EmbedsObject::EmbedsObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EmbedsObject>(info) {
  if (!info[0].IsExternal()) throw invalid(info.Env(), "embeddings are made by a model");
  const EmbedsHandle& handle = *info[0].As<Napi::External<EmbedsHandle>>().Data();
  model_ = handle.model;
  embeds_ = handle.embeds;
  account(info.Env(), size());
}
EmbedsObject::~EmbedsObject() {
  account(Env(), -accounted_);
}

Napi::Object EmbedsObject::wrap(Napi::Env env, Classes& classes, std::shared_ptr<model::Model> model,
                                std::shared_ptr<const model::Embeds> embeds) {
  EmbedsHandle handle{std::move(model), std::move(embeds)};
  return classes.embeds.New({Napi::External<EmbedsHandle>::New(env, &handle)});
}

/// V8 sees only the small wrapper; told of the memory behind it, it collects forgotten ones in time.
void EmbedsObject::account(Napi::Env env, int64_t change) {
  accounted_ += change;
  int64_t total;
  if (change != 0) napi_adjust_external_memory(env, change, &total);
}

std::shared_ptr<const model::Embeds> EmbedsObject::get(Napi::Env env) const {
  if (!embeds_) throw invalid(env, "these embeddings were disposed of");
  return embeds_;
}
int64_t EmbedsObject::size() const {
  const model::Config& c = model_->config();
  return embeds_->n * c.vision.tokens() * c.hidden * static_cast<int64_t>(sizeof(float));
}
Napi::Value EmbedsObject::crops(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(get(info.Env())->n));
}
Napi::Value EmbedsObject::bytes(const Napi::CallbackInfo& info) {
  get(info.Env());
  return Napi::Number::New(info.Env(), static_cast<double>(size()));
}
Napi::Value EmbedsObject::to_float32(const Napi::CallbackInfo& info) {
  const std::shared_ptr<const model::Embeds> embeds = get(info.Env());
  const size_t values = static_cast<size_t>(size()) / sizeof(float);
  const Napi::Value into = info[0].IsUndefined() ? Napi::Float32Array::New(info.Env(), values) : info[0];
  if (!is_typed_array(into, napi_float32_array) || into.As<Napi::TypedArray>().ElementLength() != values)
    throw invalid(info.Env(), "into must be a Float32Array of " + std::to_string(values) + " values");
  auto out = into.As<Napi::Float32Array>();
  guarded(info.Env(),
          [&] { model_->backend().copy_to_host(out.Data(), embeds->memory.get(), static_cast<size_t>(size())); });
  return out;
}
void EmbedsObject::dispose(const Napi::CallbackInfo& info) {
  account(info.Env(), -accounted_);
  embeds_.reset();
  model_.reset();
}

Napi::Function SamplerObject::define(Napi::Env env, Classes* classes) {
  return DefineClass(env, "NativeSampler", {InstanceMethod<&SamplerObject::reset>("reset")}, classes);
}

SamplerObject::SamplerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SamplerObject>(info) {
  const Napi::Object o = addon::to_object(info[0], "options");
  const auto get = [&](const char* key) { return static_cast<float>(to_double(o.Get(key), key)); };
  sample::SamplerOptions s;
  s.temperature = get("temperature");
  s.top_k = to_int32(o.Get("topK"), "topK");
  s.top_p = get("topP");
  s.min_p = get("minP");
  s.repetition_penalty = get("repetitionPenalty");
  s.presence_penalty = get("presencePenalty");
  s.frequency_penalty = get("frequencyPenalty");
  s.seed = static_cast<uint32_t>(to_integer(o.Get("seed"), "seed", 0, UINT32_MAX));
  s.logprobs = to_int32(o.Get("logprobs"), "logprobs");
  state_ = guarded(info.Env(), [&] { return std::make_shared<State>(s); });
}

void SamplerObject::reset(const Napi::CallbackInfo& info) {
  if (state_->busy) throw invalid(info.Env(), "this sampler is still drawing for another call");
  const std::vector<int32_t> ids = to_ids(info[0], "promptIds");
  guarded(info.Env(), [&] { state_->sampler.reset(ids); });
}

}  // namespace owl3::addon
