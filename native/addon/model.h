// The wrapped classes around model, session, embeddings and sampler. State lives in shared pointers that running work
// holds too, so that dispose(), garbage collection and the end of an environment never pull memory from under a worker.
#pragma once
#include <napi.h>

#include "handles.h"
#include "model/session.h"
#include "sample/sampler.h"

namespace owl3::addon {

class EmbedsObject : public Napi::ObjectWrap<EmbedsObject> {
 public:
  static Napi::Function define(Napi::Env env, Classes* classes);
  explicit EmbedsObject(const Napi::CallbackInfo& info);
  ~EmbedsObject() override;
  static Napi::Object wrap(Napi::Env env, Classes& classes, std::shared_ptr<model::Model> model,
                           std::shared_ptr<const model::Embeds> embeds);
  /// Error{invalid_argument} after dispose().
  std::shared_ptr<const model::Embeds> get(Napi::Env env) const;
  const model::Model* model() const { return model_.get(); }

 private:
  Napi::Value crops(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value to_float32(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);
  int64_t size() const;
  void account(Napi::Env env, int64_t change);
  std::shared_ptr<model::Model> model_;
  std::shared_ptr<const model::Embeds> embeds_;
  int64_t accounted_ = 0;  // bytes that V8's garbage collector was told of
};

class SamplerObject : public Napi::ObjectWrap<SamplerObject> {
 public:
  static Napi::Function define(Napi::Env env, Classes* classes);
  explicit SamplerObject(const Napi::CallbackInfo& info);
  struct State {
    explicit State(const sample::SamplerOptions& o) : sampler(o) {}
    sample::Sampler sampler;
    bool busy = false;  // main thread only
  };
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  void reset(const Napi::CallbackInfo& info);
  std::shared_ptr<State> state_;
};

class SessionObject : public Napi::ObjectWrap<SessionObject> {
 public:
  static Napi::Function define(Napi::Env env, Classes* classes);
  explicit SessionObject(const Napi::CallbackInfo& info);
  struct State {
    std::unique_ptr<model::Session> session;
    std::shared_ptr<model::Model> model;
    bool busy = false;  // busy and disposed: main thread only
    bool disposed = false;
    /// Frees the session's memory, and the model's if nobody else has it: a garbage collection may be far off.
    void release() {
      session.reset();
      model.reset();
    }
  };

 private:
  Napi::Value create(const Napi::CallbackInfo& info);
  Napi::Value fork(const Napi::CallbackInfo& info);
  void remove(const Napi::CallbackInfo& info);
  Napi::Value length(const Napi::CallbackInfo& info);
  void truncate(const Napi::CallbackInfo& info);
  Napi::Value advance(const Napi::CallbackInfo& info);
  Napi::Value pages_in_use(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);
  model::Session& use(Napi::Env env) const;
  template <class Work, class Done>
  Napi::Value start(Napi::Env env, Work work, Done done);
  struct PartRequest;
  PartRequest part_request(Napi::Value v) const;
  std::vector<model::MediaSlot> media(Napi::Value v) const;
  Classes* classes_;
  std::shared_ptr<State> state_;
};

/// How far a model is that is being opened, for whoever asks meanwhile.
class LoadingObject : public Napi::ObjectWrap<LoadingObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit LoadingObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LoadingObject>(info) {}
  const std::shared_ptr<model::Loading>& state() const { return state_; }

 private:
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value total(const Napi::CallbackInfo& info);
  std::shared_ptr<model::Loading> state_ = std::make_shared<model::Loading>();
};

class ModelObject : public Napi::ObjectWrap<ModelObject> {
 public:
  static Napi::Function define(Napi::Env env, Classes* classes);
  explicit ModelObject(const Napi::CallbackInfo& info);
  static Napi::Object wrap(Napi::Env env, Classes& classes, std::shared_ptr<model::Model> model);

 private:
  Napi::Value config(const Napi::CallbackInfo& info);
  Napi::Value metadata(const Napi::CallbackInfo& info);
  Napi::Value backend(const Napi::CallbackInfo& info);
  Napi::Value threads(const Napi::CallbackInfo& info);
  Napi::Value weight_bytes(const Napi::CallbackInfo& info);
  Napi::Value mapped_bytes(const Napi::CallbackInfo& info);
  Napi::Value token_bytes(const Napi::CallbackInfo& info);
  Napi::Value default_kv_type(const Napi::CallbackInfo& info);
  Napi::Value encoded_share(const Napi::CallbackInfo& info);
  Napi::Value kv_bytes(const Napi::CallbackInfo& info);
  Napi::Value plan(const Napi::CallbackInfo& info);
  Napi::Value encode(const Napi::CallbackInfo& info);
  Napi::Value embeds_from(const Napi::CallbackInfo& info);
  Napi::Value create_session(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);
  const std::shared_ptr<model::Model>& use(Napi::Env env) const;
  Classes* classes_;
  std::shared_ptr<model::Model> model_;
};

ops::KvType to_kv_type(Napi::Value v);
const char* kv_type_name(ops::KvType type);

}  // namespace owl3::addon
