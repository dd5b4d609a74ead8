// The wrapped classes of answers that follow a grammar.
#pragma once
#include <napi.h>

#include "constrain/matcher.h"
#include "handles.h"

namespace owl3::addon {

class VocabularyObject : public Napi::ObjectWrap<VocabularyObject> {
 public:
  static Napi::Function define(Napi::Env env, Classes* classes);
  explicit VocabularyObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value size(const Napi::CallbackInfo& info);
  Napi::Value constraint(const Napi::CallbackInfo& info);
  Classes* classes_;
  std::shared_ptr<const constrain::Vocabulary> vocabulary_;
  std::shared_ptr<constrain::SharedInsides> shared_ = std::make_shared<constrain::SharedInsides>();
};

class ConstraintObject : public Napi::ObjectWrap<ConstraintObject> {
 public:
  static Napi::Function define(Napi::Env env, Classes* classes);
  explicit ConstraintObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value matcher(const Napi::CallbackInfo& info);
  Classes* classes_;
  std::shared_ptr<constrain::Constraint> constraint_;
};

class MatcherObject : public Napi::ObjectWrap<MatcherObject> {
 public:
  static Napi::Function define(Napi::Env env, Classes* classes);
  explicit MatcherObject(const Napi::CallbackInfo& info);
  struct State {
    explicit State(const constrain::Matcher& m) : matcher(m) {}
    constrain::Matcher matcher;
    bool busy = false;  // main thread only
  };
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  void accept(const Napi::CallbackInfo& info);
  Napi::Value clone(const Napi::CallbackInfo& info);
  Napi::Value mask(const Napi::CallbackInfo& info);
  Napi::Value forced(const Napi::CallbackInfo& info);
  Napi::Value accepts(const Napi::CallbackInfo& info);
  Napi::Value complete(const Napi::CallbackInfo& info);
  constrain::Matcher& use(Napi::Env env) const;
  Classes* classes_;
  std::shared_ptr<State> state_;
};

}  // namespace owl3::addon
