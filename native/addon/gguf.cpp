// formats, readGguf, readSafetensors.
#include "gguf/gguf.h"

#include "convert/safetensors.h"
#include "exports.h"
#include "gguf.h"
#include "handles.h"
#include "writer.h"

namespace owl3::addon {
namespace {

constexpr int64_t max_safe_integer = (int64_t{1} << 53) - 1;  // JavaScript's Number.MAX_SAFE_INTEGER

Napi::Value to_value(Napi::Env env, bool v) {
  return Napi::Boolean::New(env, v);
}
Napi::Value to_value(Napi::Env env, double v) {
  return Napi::Number::New(env, v);
}
Napi::Value to_value(Napi::Env env, const std::string& v) {
  return Napi::String::New(env, v);
}
Napi::Value to_value(Napi::Env env, int64_t v) {
  if (v < -max_safe_integer || v > max_safe_integer) return Napi::BigInt::New(env, v);
  return Napi::Number::New(env, static_cast<double>(v));
}
Napi::Value to_value(Napi::Env env, uint64_t v) {
  if (v > uint64_t{max_safe_integer}) return Napi::BigInt::New(env, v);
  return Napi::Number::New(env, static_cast<double>(v));
}
template <class T>
Napi::Value to_value(Napi::Env env, const std::vector<T>& list) {
  Napi::Array out = Napi::Array::New(env, list.size());
  uint32_t i = 0;
  for (const T& v : list) {
    const Napi::HandleScope scope(env);
    out.Set(i++, to_value(env, v));
  }
  return out;
}

/// Defines an own property, whatever its name ("__proto__" too).
void define(Napi::Object object, const std::string& key, Napi::Value value) {
  object.DefineProperty(Napi::PropertyDescriptor::Value(
      Napi::String::New(object.Env(), key), value,
      static_cast<napi_property_attributes>(napi_writable | napi_enumerable | napi_configurable)));
}

Napi::Object types_to_js(Napi::Env env, const gguf::File& file) {
  Napi::Object out = Napi::Object::New(env);
  for (size_t i = 0; i < file.metadata().size(); i++) {
    const gguf::Type type = file.metadata_types()[i];
    define(out, file.metadata()[i].first,
           to_value(env, std::string(gguf::kind_name(type.kind)) + (type.array ? "[]" : "")));
  }
  return out;
}

Napi::Value formats(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array out = Napi::Array::New(env, gguf::formats().size());
  uint32_t n = 0;
  for (const gguf::Format& f : gguf::formats()) {
    Napi::Object o = Napi::Object::New(env);
    o.Set("name", f.name);
    o.Set("blockSize", f.block_size);
    o.Set("blockBytes", f.block_bytes);
    o.Set("quantised", gguf::quantised(f.type));
    out.Set(n++, o);
  }
  return out;
}

Napi::Value read_gguf(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [path = to_string(info[0], "the path")] { return gguf::File::open(path); },
      [](Napi::Env env, const std::shared_ptr<const gguf::File>& file) -> Napi::Value {
        Napi::Array tensors = Napi::Array::New(env, file->tensors().size());
        uint32_t n = 0;
        for (const gguf::Tensor& t : file->tensors()) {
          Napi::Object o = Napi::Object::New(env);
          o.Set("name", t.name);
          o.Set("type", gguf::format(t.type).name);
          o.Set("shape", to_value(env, t.shape));
          o.Set("offset", to_value(env, t.offset));
          o.Set("bytes", to_value(env, t.bytes));
          tensors.Set(n++, o);
        }
        Napi::Object out = Napi::Object::New(env);
        out.Set("path", file->path());
        out.Set("version", file->version());
        out.Set("fileBytes", to_value(env, file->file_bytes()));
        out.Set("metadata", metadata_to_js(env, *file));
        out.Set("types", types_to_js(env, *file));
        out.Set("tensors", tensors);
        return out;
      });
}

Napi::Value read_safetensors_file(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [path = to_string(info[0], "the path")] { return convert::read_safetensors(path); },
      [](Napi::Env env, const std::vector<convert::SafetensorsTensor>& tensors) -> Napi::Value {
        Napi::Array out = Napi::Array::New(env, tensors.size());
        uint32_t n = 0;
        for (const convert::SafetensorsTensor& t : tensors) {
          Napi::Object o = Napi::Object::New(env);
          o.Set("name", t.name);
          o.Set("dtype", t.dtype);
          o.Set("shape", to_value(env, t.shape));
          o.Set("offset", to_value(env, t.offset));
          o.Set("bytes", to_value(env, t.bytes));
          out.Set(n++, o);
        }
        return out;
      });
}

}  // namespace

Napi::Object metadata_to_js(Napi::Env env, const gguf::File& file) {
  Napi::Object out = Napi::Object::New(env);
  for (const auto& [key, value] : file.metadata())
    define(out, key, std::visit([&](const auto& v) { return to_value(env, v); }, value));
  return out;
}

void export_gguf(Napi::Env env, Napi::Object exports) {
  exports.Set("formats", Napi::Function::New(env, formats, "formats"));
  exports.Set("readGguf", Napi::Function::New(env, read_gguf, "readGguf"));
  exports.Set("readSafetensors", Napi::Function::New(env, read_safetensors_file, "readSafetensors"));
  export_writer(env, exports);
}

}  // namespace owl3::addon
