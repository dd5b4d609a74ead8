// Worker is the one template by which work leaves the main thread: `work` runs on a libuv thread and sees no JavaScript,
// `done` turns its result into a value on the main thread. An owl3::Error becomes an Error with its `code`, any other
// exception one with the code "internal".
#pragma once
#include <napi.h>

#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "base/error.h"

namespace owl3::addon {

inline Napi::Error to_js(Napi::Env env, ErrorCode code, const std::string& message) {
  Napi::Error e = Napi::Error::New(env, message);
  e.Set("code", Napi::String::New(env, code_name(code)));
  return e;
}

template <class Work, class Done>
class Worker final : public Napi::AsyncWorker {
 public:
  using Result = decltype(std::declval<Work&>()());
  Worker(Napi::Env env, Work work, Done done)
      : Napi::AsyncWorker(env),
        work_(std::move(work)),
        done_(std::move(done)),
        deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    try {
      result_.emplace(work_());
    } catch (const Error& e) {
      fail(e.code, e.what());
    } catch (const std::bad_alloc&) {
      fail(ErrorCode::out_of_memory, "out of memory");
    } catch (const std::exception& e) {
      fail(ErrorCode::internal, e.what());
    }
  }
  void OnOK() override {
    settle([this] {
      try {
        deferred_.Resolve(done_(Env(), std::move(*result_)));
      } catch (const Napi::Error& e) {
        deferred_.Reject(e.Value());
      } catch (const std::bad_alloc&) {
        deferred_.Reject(to_js(Env(), ErrorCode::out_of_memory, "out of memory").Value());
      }
    });
  }
  void OnError(const Napi::Error& e) override {
    settle([this, &e] { deferred_.Reject(to_js(Env(), code_, e.Message()).Value()); });
  }

 private:
  /// A worker_thread that is being ended still reports finished work, but no JavaScript runs there any more: every call
  /// fails, and an exception that left this function would end the process. Nobody is left to tell.
  template <class F>
  void settle(F f) {
    Napi::HandleScope scope(Env());
    try {
      f();
    } catch (const Napi::Error&) {
    }
  }
  void fail(ErrorCode code, const char* message) {
    code_ = code;
    SetError(message);
  }
  Work work_;
  Done done_;
  std::optional<Result> result_;
  ErrorCode code_ = ErrorCode::internal;
  Napi::Promise::Deferred deferred_;
};

/// Starts `work()` on a worker thread; the promise resolves to `done(env, result)`. `work` must return a value (not
/// void).
template <class Work, class Done>
Napi::Promise run_async(Napi::Env env, Work work, Done done) {
  auto* worker = new Worker<Work, Done>(env, std::move(work), std::move(done));  // deletes itself
  Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

/// Runs `f` on the main thread, turning owl3::Error into a JavaScript exception.
template <class F>
auto guarded(Napi::Env env, F f) {
  try {
    return f();
  } catch (const Error& e) {
    throw to_js(env, e.code, e.what());
  } catch (const std::bad_alloc&) {
    throw to_js(env, ErrorCode::out_of_memory, "out of memory");
  } catch (const std::exception& e) {  // what leaves a callback of Node's as anything else ends the process
    if (dynamic_cast<const Napi::Error*>(&e) != nullptr) throw;
    throw to_js(env, ErrorCode::internal, e.what());
  }
}

}  // namespace owl3::addon
