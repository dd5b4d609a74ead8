#include "constrain.h"
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
Napi::Float32Array to_array(Napi::Env env, const std::vector<float>& values) {
  Napi::Float32Array a = Napi::Float32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), a.Data());
  return a;
}
Napi::Object sampled_to_js(Napi::Env env, const sample::Sampled& sampled) {
  Napi::Object o = to_object(env, sampled.token);
  o.Set("top", to_array(env, sampled.top));
  return o;
}

/// The result of a pass for one part.
struct PartResult {
  std::vector<sample::Sampled> drawn;
  std::vector<sample::TokenLogprob> top;
  std::vector<float> scores;  // of all targets, row by row
  std::vector<float> logits;  // [V], or empty
  bool begun = false;         // whether a device is at the row of the last one that was drawn

  Napi::Object to_js(Napi::Env env) const {
    Napi::Object o = Napi::Object::New(env);
    Napi::Array list = Napi::Array::New(env, drawn.size());
    for (uint32_t i = 0; i < drawn.size(); i++) {
      Napi::Object token = sampled_to_js(env, drawn[i]);
      token.Set("begun", Napi::Boolean::New(env, begun && i + 1 == drawn.size()));
      list.Set(i, token);
    }
    o.Set("drawn", list);
    o.Set("top", to_array(env, top));
    if (!scores.empty()) o.Set("scores", to_array(env, scores));
    if (!logits.empty()) o.Set("logits", to_array(env, logits));
    return o;
  }
};

/// Keeps what the requests have in a member busy until the result goes. Throws when some of it is busy, or named twice.
template <class Request, class State>
std::shared_ptr<void> claim(Napi::Env env, const std::vector<Request>& requests,
                            std::shared_ptr<State> Request::*member, const char* busy) {
  std::vector<std::shared_ptr<State>> states;
  for (const Request& r : requests) {
    const std::shared_ptr<State>& state = r.*member;
    if (!state) continue;
    if (state->busy || std::count(states.begin(), states.end(), state) > 0) throw invalid(env, busy);
    states.push_back(state);
  }
  for (const auto& state : states) state->busy = true;
  return {nullptr, [states](void*) {
            for (const auto& state : states) state->busy = false;
          }};
}

}  // namespace

Napi::Function SessionObject::define(Napi::Env env, Classes* classes) {
  return DefineClass(
      env, "NativeSession",
      {InstanceMethod<&SessionObject::create>("create"), InstanceMethod<&SessionObject::fork>("fork"),
       InstanceMethod<&SessionObject::remove>("remove"), InstanceMethod<&SessionObject::length>("length"),
       InstanceMethod<&SessionObject::truncate>("truncate"), InstanceMethod<&SessionObject::advance>("advance"),
       InstanceAccessor<&SessionObject::pages_in_use>("pagesInUse"), InstanceAccessor<&SessionObject::bytes>("bytes"),
       InstanceMethod<&SessionObject::dispose>("dispose")},
      classes);
}

SessionObject::SessionObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SessionObject>(info), classes_(static_cast<Classes*>(info.Data())) {
  state_ = handed<std::shared_ptr<State>>(info, "sessions are made by a model's createSession");
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
    if (state->disposed) state->release();
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
  if (v.IsUndefined()) return {};
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

/// One part as JavaScript gave it, and what becomes of it.
struct SessionObject::PartRequest {
  int32_t sequence = 0;
  std::vector<int32_t> ids;
  std::vector<model::MediaSlot> media;
  std::shared_ptr<SamplerObject::State> sampler;
  std::shared_ptr<MatcherObject::State> matcher;  // what may be drawn, or be among the largest
  std::vector<std::vector<int32_t>> targets;  // of each of the last rows, the ids whose log-probabilities are wanted
  int32_t drafted = 0, top = 0;
  bool logits = false;
  bool goes_on = false;  // the id that is drawn will probably come next, and be drawn from alike

  model::Part part() const {
    const int32_t candidates = sampler && !matcher ? sampler->sampler.candidates_needed() : 0;
    model::Part p{.sequence = sequence, .ids = ids, .media = media};
    p.wanted = sampler ? drafted + 1 : top > 0 || logits ? 1 : 0;
    p.wanted = std::max(p.wanted, static_cast<int32_t>(targets.size()));
    p.picked = std::max(candidates, top);
    p.goes_on = goes_on && sampler && sampler->sampler.greedy();
    p.whole = logits || !targets.empty() || matcher || (sampler && candidates == 0);
    return p;
  }

  /// The ids that may come next; without words all of them may.
  sample::Allowed allowed() const { return matcher ? sample::Allowed(matcher->matcher.mask()) : sample::Allowed(); }

  sample::Sampled draw(const model::Logits& rows, size_t row, size_t vocab) const {
    sample::Sampler& s = sampler->sampler;
    if (!matcher && s.candidates_needed() > 0) return s.sample(rows.picked[row]);
    sample::Sampled drawn = s.sample(std::span(rows.whole).subspan(row * vocab, vocab), allowed());
    if (matcher) matcher->matcher.accept(drawn.token.id);
    return drawn;
  }

  /// Draws from the logits of a pass and takes guesses that were wrong off the sequence.
  PartResult finish(model::Session& s, model::Logits rows) const {
    PartResult result;
    const size_t vocab = static_cast<size_t>(s.config().vocab_size), n = rows.picked.size();
    const std::span<const float> whole = rows.whole;
    if (top > 0)
      result.top =
          sample::top_logprobs(whole.subspan(whole.empty() ? 0 : (n - 1) * vocab), rows.picked.back(), top, allowed());
    for (size_t row = 0; row < targets.size(); row++)
      for (const int32_t id : targets[row])
        result.scores.push_back(sample::logprob(whole.subspan(row * vocab, vocab), rows.picked[row], id).logprob);
    if (sampler) {
      const size_t first = ids.size() - static_cast<size_t>(drafted);  // where the guesses begin
      for (size_t row = 0; row < n; row++) {
        result.drawn.push_back(draw(rows, row, vocab));
        if (row + 1 < n && result.drawn.back().token.id != ids[first + row]) break;
      }
      s.truncate(sequence, s.length(sequence) - static_cast<int32_t>(n - result.drawn.size()));
      result.begun = s.has_begun(sequence, result.drawn.back().token.id);
    }
    if (logits) result.logits.assign(whole.end() - static_cast<std::ptrdiff_t>(vocab), whole.end());
    return result;
  }
};

SessionObject::PartRequest SessionObject::part_request(Napi::Value v) const {
  const Napi::Env env = v.Env();
  const Napi::Object o = addon::to_object(v, "a part of a pass");
  PartRequest r;
  r.sequence = to_int32(o.Get("sequence"), "sequence");
  r.ids = to_ids(o.Get("ids"), "ids");
  r.media = media(o.Get("media"));
  if (const Napi::Value s = o.Get("sampler"); !s.IsUndefined())
    r.sampler = unwrap<SamplerObject>(s, classes_->sampler, "sampler").state();
  if (const Napi::Value m = o.Get("matcher"); !m.IsUndefined())
    r.matcher = unwrap<MatcherObject>(m, classes_->matcher, "matcher").state();
  if (const Napi::Value d = o.Get("drafted"); !d.IsUndefined()) r.drafted = to_int32(d, "drafted");
  if (const Napi::Value k = o.Get("top"); !k.IsUndefined()) r.top = to_int32(k, "top");
  if (const Napi::Value l = o.Get("logits"); !l.IsUndefined()) r.logits = l.ToBoolean();
  if (const Napi::Value g = o.Get("goesOn"); !g.IsUndefined()) r.goes_on = g.ToBoolean();
  if (const Napi::Value t = o.Get("targets"); !t.IsUndefined()) {
    if (!t.IsArray()) throw invalid(env, "targets must be an array of arrays of ids");
    const Napi::Array rows = t.As<Napi::Array>();
    for (uint32_t i = 0; i < rows.Length(); i++) r.targets.push_back(to_ids(rows.Get(i), "targets"));
    use(env);  // what was asked above may be JavaScript, which may have disposed of the session
    for (const std::vector<int32_t>& row : r.targets)
      for (const int32_t id : row)
        if (id < 0 || id >= state_->model->config().vocab_size)
          throw invalid(env, "a target is no id of this model: " + std::to_string(id));
    if (r.sampler) throw invalid(env, "a part is either drawn from or scored");
  }
  if (r.drafted > 0 && (!r.sampler || static_cast<size_t>(r.drafted) >= r.ids.size()))
    throw invalid(env, "a draft needs a sampler, and a certain id before it");
  return r;
}

Napi::Value SessionObject::advance(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  use(env);
  if (!info[0].IsArray()) throw invalid(env, "parts must be an array");
  const Napi::Array list = info[0].As<Napi::Array>();
  std::vector<PartRequest> requests;
  for (uint32_t i = 0; i < list.Length(); i++) requests.push_back(part_request(list.Get(i)));
  const auto samplers = claim(env, requests, &PartRequest::sampler, "this sampler is still drawing for another call");
  const auto matchers = claim(env, requests, &PartRequest::matcher, "this matcher is still at work for another call");
  return start(
      env,
      [requests = std::move(requests), samplers, matchers](model::Session& s) {
        std::vector<model::Part> parts;
        std::vector<int32_t> before;
        for (const PartRequest& r : requests) {
          parts.push_back(r.part());
          before.push_back(s.length(r.sequence));
        }
        std::vector<model::Logits> rows = s.advance(parts);
        std::vector<PartResult> results;
        try {
          // Before any sampler draws: a part that fails must not have moved the others' random states.
          for (const model::Logits& l : rows)
            for (const ops::Picked& row : l.picked) sample::check_finite(row);
          for (const PartRequest& r : requests) r.allowed();
          for (size_t i = 0; i < requests.size(); i++) results.push_back(requests[i].finish(s, std::move(rows[i])));
        } catch (...) {  // the sequences are to be as they were
          for (size_t i = 0; i < requests.size(); i++) s.truncate(requests[i].sequence, before[i]);
          throw;
        }
        return results;
      },
      [](Napi::Env e, const std::vector<PartResult>& results) -> Napi::Value {
        Napi::Array out = Napi::Array::New(e, results.size());
        for (uint32_t i = 0; i < results.size(); i++) out.Set(i, results[i].to_js(e));
        return out;
      });
}

Napi::Value SessionObject::pages_in_use(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(use(info.Env()).pages_in_use()));
}
Napi::Value SessionObject::bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(use(info.Env()).bytes()));
}

void SessionObject::dispose(const Napi::CallbackInfo&) {
  state_->disposed = true;
  if (!state_->busy) state_->release();
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
  const EmbedsHandle& handle = handed<EmbedsHandle>(info, "embeddings are made by a model");
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
  return embeds_->n * c.vision.crop_tokens() * c.hidden_size * static_cast<int64_t>(sizeof(float));
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
  guarded(info.Env(), [&] { model_->copy_embeds(*embeds, out.Data()); });
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
