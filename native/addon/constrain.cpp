#include "constrain.h"

#include "exports.h"

namespace owl3::addon {
namespace {

using constrain::Constraint;
using constrain::Matcher;
using constrain::Tables;

std::vector<int32_t> numbers(const Napi::Object& o, const char* key) {
  return to_vector<int32_t>(o.Get(key), napi_int32_array, key);
}
std::vector<uint8_t> bytes(const Napi::Object& o, const char* key) {
  return to_vector<uint8_t>(o.Get(key), napi_uint8_array, key);
}

Tables to_tables(Napi::Value v) {
  const Napi::Object o = to_object(v, "tables");
  return {.root = to_int32(o.Get("root"), "root"),
          .final_state = to_int32(o.Get("finalState"), "finalState"),
          .edge_starts = numbers(o, "edgeStarts"),
          .edges = numbers(o, "edges"),
          .labels = numbers(o, "labels"),
          .nodes = numbers(o, "nodes"),
          .counted = numbers(o, "counted"),
          .arrays = numbers(o, "arrays"),
          .items = numbers(o, "items"),
          .objects = numbers(o, "objects"),
          .props = numbers(o, "props"),
          .key_starts = numbers(o, "keyStarts"),
          .keys = bytes(o, "keys")};
}

Napi::Value create_vocabulary(const Napi::CallbackInfo& info) {
  return static_cast<Classes*>(info.Data())->vocabulary.New({info[0]});
}

}  // namespace

void export_constrain(Napi::Env env, Napi::Object exports, Classes* classes) {
  classes->vocabulary = Napi::Persistent(VocabularyObject::define(env, classes));
  classes->constraint = Napi::Persistent(ConstraintObject::define(env, classes));
  classes->matcher = Napi::Persistent(MatcherObject::define(env, classes));
  exports.Set("createVocabulary", Napi::Function::New(env, create_vocabulary, "createVocabulary", classes));
}

Napi::Function VocabularyObject::define(Napi::Env env, Classes* classes) {
  return DefineClass(
      env, "NativeVocabulary",
      {InstanceAccessor<&VocabularyObject::size>("size"), InstanceMethod<&VocabularyObject::constraint>("constraint")},
      classes);
}

VocabularyObject::VocabularyObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<VocabularyObject>(info), classes_(static_cast<Classes*>(info.Data())) {
  const Napi::Object o = to_object(info[0], "tokens");
  vocabulary_ = guarded(info.Env(), [&] {
    return std::make_shared<const constrain::Vocabulary>(bytes(o, "bytes"), numbers(o, "starts"), numbers(o, "ends"));
  });
}

Napi::Value VocabularyObject::size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(vocabulary_->size()));
}

Napi::Value VocabularyObject::constraint(const Napi::CallbackInfo& info) {
  const Tables tables = to_tables(info[0]);
  auto made = guarded(info.Env(), [&] { return std::make_shared<Constraint>(vocabulary_, shared_, tables); });
  return classes_->constraint.New({Napi::External<std::shared_ptr<Constraint>>::New(info.Env(), &made)});
}

Napi::Function ConstraintObject::define(Napi::Env env, Classes* classes) {
  return DefineClass(env, "NativeConstraint", {InstanceMethod<&ConstraintObject::matcher>("matcher")}, classes);
}

ConstraintObject::ConstraintObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ConstraintObject>(info), classes_(static_cast<Classes*>(info.Data())) {
  constraint_ = handed<std::shared_ptr<Constraint>>(info, "constraints are made by a vocabulary");
}

Napi::Value ConstraintObject::matcher(const Napi::CallbackInfo& info) {
  Matcher made(constraint_);
  return classes_->matcher.New({Napi::External<Matcher>::New(info.Env(), &made)});
}

Napi::Function MatcherObject::define(Napi::Env env, Classes* classes) {
  return DefineClass(
      env, "NativeMatcher",
      {InstanceMethod<&MatcherObject::accept>("accept"), InstanceMethod<&MatcherObject::clone>("clone"),
       InstanceMethod<&MatcherObject::mask>("mask"), InstanceMethod<&MatcherObject::forced>("forced"),
       InstanceAccessor<&MatcherObject::accepts>("accepts"), InstanceAccessor<&MatcherObject::complete>("complete")},
      classes);
}

MatcherObject::MatcherObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<MatcherObject>(info), classes_(static_cast<Classes*>(info.Data())) {
  state_ = std::make_shared<State>(handed<Matcher>(info, "matchers are made by a constraint"));
}

Matcher& MatcherObject::use(Napi::Env env) const {
  if (state_->busy) throw invalid(env, "this matcher is still at work for another call");
  return state_->matcher;
}

void MatcherObject::accept(const Napi::CallbackInfo& info) {
  Matcher& m = use(info.Env());
  const int32_t id = to_int32(info[0], "id");
  guarded(info.Env(), [&] { m.accept(id); });
}

Napi::Value MatcherObject::clone(const Napi::CallbackInfo& info) {
  Matcher& m = use(info.Env());
  return classes_->matcher.New({Napi::External<Matcher>::New(info.Env(), &m)});
}

Napi::Value MatcherObject::mask(const Napi::CallbackInfo& info) {
  Matcher& m = use(info.Env());
  const constrain::Mask& mask = guarded(info.Env(), [&]() -> const constrain::Mask& { return m.mask(); });
  Napi::Uint32Array out = Napi::Uint32Array::New(info.Env(), mask.size() * 2);
  for (size_t i = 0; i < mask.size(); i++) {
    out[2 * i] = static_cast<uint32_t>(mask[i]);
    out[2 * i + 1] = static_cast<uint32_t>(mask[i] >> 32);
  }
  return out;
}

Napi::Value MatcherObject::forced(const Napi::CallbackInfo& info) {
  Matcher& m = use(info.Env());
  const auto max = static_cast<size_t>(to_int32(info[0], "max", 0, 1 << 16));
  const std::vector<uint8_t> found = guarded(info.Env(), [&] { return m.forced(max); });
  Napi::Uint8Array out = Napi::Uint8Array::New(info.Env(), found.size());
  std::copy(found.begin(), found.end(), out.Data());
  return out;
}

Napi::Value MatcherObject::accepts(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), use(info.Env()).accepts());
}

Napi::Value MatcherObject::complete(const Napi::CallbackInfo& info) {
  Matcher& m = use(info.Env());
  return Napi::Boolean::New(info.Env(), guarded(info.Env(), [&] { return m.complete(); }));
}

}  // namespace owl3::addon
