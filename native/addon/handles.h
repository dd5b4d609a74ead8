// What the objects of the addon share: reading arguments strictly, and constructors kept per environment (each
// worker_thread has its own).
#pragma once
#include <napi.h>

#include <cmath>
#include <vector>

#include "worker.h"

namespace owl3::addon {

/// Constructors of the wrapped classes, one set an environment.
struct Classes {
  Napi::FunctionReference model, session, embeds, sampler;
};

inline Napi::Error invalid(Napi::Env env, const std::string& what) {
  return to_js(env, ErrorCode::invalid_argument, what);
}

/// An integer in [lo, hi], or an error that names it.
inline int64_t to_integer(Napi::Value v, const char* name, int64_t lo, int64_t hi) {
  const double x = v.IsNumber() ? v.As<Napi::Number>().DoubleValue() : NAN;
  if (!(x >= static_cast<double>(lo) && x <= static_cast<double>(hi)) || x != std::floor(x))
    throw invalid(v.Env(),
                  std::string(name) + " must be an integer from " + std::to_string(lo) + " to " + std::to_string(hi));
  return static_cast<int64_t>(x);
}
inline int32_t to_int32(Napi::Value v, const char* name, int32_t lo = 0, int32_t hi = INT32_MAX) {
  return static_cast<int32_t>(to_integer(v, name, lo, hi));
}
inline double to_double(Napi::Value v, const char* name) {
  if (!v.IsNumber()) throw invalid(v.Env(), std::string(name) + " must be a number");
  return v.As<Napi::Number>().DoubleValue();
}
inline Napi::Object to_object(Napi::Value v, const char* name) {
  if (!v.IsObject()) throw invalid(v.Env(), std::string(name) + " must be an object");
  return v.As<Napi::Object>();
}

inline bool is_typed_array(Napi::Value v, napi_typedarray_type type) {
  return v.IsTypedArray() && v.As<Napi::TypedArray>().TypedArrayType() == type;
}

/// A copy of a typed array, so that JavaScript may do what it likes with its own meanwhile.
template <class T>
std::vector<T> to_vector(Napi::Value v, napi_typedarray_type type, const char* name) {
  if (!is_typed_array(v, type)) throw invalid(v.Env(), std::string(name) + " is not the right kind of typed array");
  const auto array = v.As<Napi::TypedArrayOf<T>>();
  return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}
inline std::vector<int32_t> to_ids(Napi::Value v, const char* name) {
  return to_vector<int32_t>(v, napi_int32_array, name);
}

/// The wrapped object behind `v`, or an error that says what was expected.
template <class Wrapped>
Wrapped& unwrap(Napi::Value v, const Napi::FunctionReference& constructor, const char* name) {
  if (!v.IsObject() || !v.As<Napi::Object>().InstanceOf(constructor.Value()))
    throw invalid(v.Env(), std::string(name) + " is not one of this addon's objects");
  return *Wrapped::Unwrap(v.As<Napi::Object>());
}

}  // namespace owl3::addon
