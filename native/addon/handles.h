// Helpers that the files of the addon share: strict readers of JavaScript arguments, and constructors kept per
// environment (each worker_thread has its own). A reader throws a JavaScript error that names the argument.
#pragma once
#include <napi.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "worker.h"

namespace owl3::addon {

/// Constructors of the wrapped classes, one set per environment.
struct Classes {
  Napi::FunctionReference model, loading, session, embeds, sampler, vocabulary, constraint, matcher;
};

inline Napi::Error invalid(Napi::Env env, const std::string& what) {
  return to_js(env, ErrorCode::invalid_argument, what);
}

/// An integer in [lo, hi], given as a number.
inline int64_t to_integer(Napi::Value v, const std::string& name, int64_t lo, int64_t hi) {
  const double x = v.IsNumber() ? v.As<Napi::Number>().DoubleValue() : NAN;
  if (!(x >= static_cast<double>(lo) && x <= static_cast<double>(hi)) || x != std::floor(x))
    throw invalid(v.Env(), name + " must be an integer from " + std::to_string(lo) + " to " + std::to_string(hi));
  return static_cast<int64_t>(x);
}
inline int32_t to_int32(Napi::Value v, const std::string& name, int32_t lo = 0, int32_t hi = INT32_MAX) {
  return static_cast<int32_t>(to_integer(v, name, lo, hi));
}

/// A number of threads: 0 stands for one per core, and more than 1024 count as 1024.
inline int to_threads(Napi::Value v) {
  return std::min(to_int32(v, "threads"), 1024);
}

/// Any 64-bit integer, given as a bigint or as a number that holds it exactly.
inline int64_t to_int64(Napi::Value v, const std::string& name) {
  bool lossless = true;
  if (v.IsBigInt()) {
    const int64_t n = v.As<Napi::BigInt>().Int64Value(&lossless);
    if (lossless) return n;
  } else if (v.IsNumber()) {
    const double x = v.As<Napi::Number>().DoubleValue();
    if (x == std::trunc(x) && std::abs(x) < 0x1p53) return static_cast<int64_t>(x);
  }
  throw invalid(v.Env(), name + " must be an integer");
}
inline uint64_t to_uint64(Napi::Value v, const std::string& name) {
  bool lossless = true;
  if (v.IsBigInt()) {
    const uint64_t n = v.As<Napi::BigInt>().Uint64Value(&lossless);
    if (lossless) return n;
  } else if (v.IsNumber()) {
    const double x = v.As<Napi::Number>().DoubleValue();
    if (x == std::trunc(x) && x >= 0 && x < 0x1p53) return static_cast<uint64_t>(x);
  }
  throw invalid(v.Env(), name + " must be an integer that is not negative");
}

inline double to_double(Napi::Value v, const std::string& name) {
  if (!v.IsNumber()) throw invalid(v.Env(), name + " must be a number");
  return v.As<Napi::Number>().DoubleValue();
}
inline bool to_bool(Napi::Value v, const std::string& name) {
  if (!v.IsBoolean()) throw invalid(v.Env(), name + " must be true or false");
  return v.As<Napi::Boolean>();
}
inline std::string to_string(Napi::Value v, const std::string& name) {
  if (!v.IsString()) throw invalid(v.Env(), name + " must be a string");
  return v.As<Napi::String>();
}
inline Napi::Object to_object(Napi::Value v, const std::string& name) {
  if (!v.IsObject()) throw invalid(v.Env(), name + " must be an object");
  return v.As<Napi::Object>();
}
inline Napi::Array to_array(Napi::Value v, const std::string& name) {
  if (!v.IsArray()) throw invalid(v.Env(), name + " must be an array");
  return v.As<Napi::Array>();
}

inline bool is_typed_array(Napi::Value v, napi_typedarray_type type) {
  return v.IsTypedArray() && v.As<Napi::TypedArray>().TypedArrayType() == type;
}

/// A copy of a typed array, so that JavaScript may change its own meanwhile.
template <class T>
std::vector<T> to_vector(Napi::Value v, napi_typedarray_type type, const std::string& name) {
  if (!is_typed_array(v, type)) throw invalid(v.Env(), name + " is not the right kind of typed array");
  const auto array = v.As<Napi::TypedArrayOf<T>>();
  return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}
inline std::vector<int32_t> to_ids(Napi::Value v, const std::string& name) {
  return to_vector<int32_t>(v, napi_int32_array, name);
}

/// The wrapped object behind `v`.
template <class Wrapped>
Wrapped& unwrap(Napi::Value v, const Napi::FunctionReference& constructor, const std::string& name) {
  if (!v.IsObject() || !v.As<Napi::Object>().InstanceOf(constructor.Value()))
    throw invalid(v.Env(), name + " is not one of this addon's objects");
  return *Wrapped::Unwrap(v.As<Napi::Object>());
}

/// The argument with which the addon constructs one of its objects; JavaScript has none, and is told who makes them.
template <class T>
T& handed(const Napi::CallbackInfo& info, const char* who_makes_them) {
  if (!info[0].IsExternal()) throw invalid(info.Env(), who_makes_them);
  return *info[0].As<Napi::External<T>>().Data();
}

}  // namespace owl3::addon
