// createWriter: the handle of a GGUF file being written.
#include "writer.h"

#include <algorithm>
#include <cmath>

#include "convert/conversion.h"
#include "worker.h"

namespace owl3::addon {

namespace {

[[noreturn]] void invalid(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, what);
}

gguf::Type type_from_js(const std::string& name) {
  const bool array = name.ends_with("[]");
  const std::string scalar = array ? name.substr(0, name.size() - 2) : name;
  for (uint32_t k = 0; k <= static_cast<uint32_t>(gguf::Kind::f64); k++) {
    const auto kind = static_cast<gguf::Kind>(k);
    if (kind != gguf::Kind::array && scalar == gguf::kind_name(kind)) return {kind, array};
  }
  invalid("no metadata type " + name);
}

template <class T>
T scalar_from_js(const std::string& key, Napi::Value v);

template <>
bool scalar_from_js(const std::string& key, Napi::Value v) {
  if (!v.IsBoolean()) invalid("key " + key + " needs a boolean");
  return v.As<Napi::Boolean>();
}
template <>
std::string scalar_from_js(const std::string& key, Napi::Value v) {
  if (!v.IsString()) invalid("key " + key + " needs a string");
  return v.As<Napi::String>();
}
template <>
double scalar_from_js(const std::string& key, Napi::Value v) {
  if (!v.IsNumber()) invalid("key " + key + " needs a number");
  return v.As<Napi::Number>();
}
template <>
int64_t scalar_from_js(const std::string& key, Napi::Value v) {
  bool lossless = true;
  if (v.IsBigInt()) {
    const int64_t n = v.As<Napi::BigInt>().Int64Value(&lossless);
    if (lossless) return n;
  } else if (v.IsNumber()) {
    const double d = v.As<Napi::Number>();
    if (d == std::trunc(d) && std::abs(d) < 0x1p53) return static_cast<int64_t>(d);
  }
  invalid("key " + key + " needs an integer");
}
template <>
uint64_t scalar_from_js(const std::string& key, Napi::Value v) {
  bool lossless = true;
  if (v.IsBigInt()) {
    const uint64_t n = v.As<Napi::BigInt>().Uint64Value(&lossless);
    if (lossless) return n;
  } else if (v.IsNumber()) {
    const double d = v.As<Napi::Number>();
    if (d == std::trunc(d) && d >= 0 && d < 0x1p53) return static_cast<uint64_t>(d);
  }
  invalid("key " + key + " needs an integer that is not negative");
}

template <class T>
gguf::Value value_from_js(const gguf::Entry& e, Napi::Value v) {
  if (!e.type.array) return scalar_from_js<T>(e.key, v);
  if (!v.IsArray()) invalid("key " + e.key + " needs an array");
  const Napi::Array list = v.As<Napi::Array>();
  std::vector<T> out;
  out.reserve(list.Length());
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::HandleScope scope(v.Env());
    out.push_back(scalar_from_js<T>(e.key, list.Get(i)));
  }
  return out;
}

gguf::Entry entry_from_js(Napi::Object o) {
  gguf::Entry e{o.Get("key").ToString(), type_from_js(o.Get("type").ToString()), {}};
  const Napi::Value v = o.Get("value");
  switch (e.type.kind) {
    case gguf::Kind::boolean:
      e.value = value_from_js<bool>(e, v);
      break;
    case gguf::Kind::string:
      e.value = value_from_js<std::string>(e, v);
      break;
    case gguf::Kind::f32:
    case gguf::Kind::f64:
      e.value = value_from_js<double>(e, v);
      break;
    case gguf::Kind::u8:
    case gguf::Kind::u16:
    case gguf::Kind::u32:
    case gguf::Kind::u64:
      e.value = value_from_js<uint64_t>(e, v);
      break;
    default:
      e.value = value_from_js<int64_t>(e, v);
  }
  return e;
}

DType dtype_from_js(const std::string& tensor, Napi::Value v) {
  const std::string name = v.ToString();
  const gguf::Format* f = gguf::find_format(std::string_view(name));
  if (!f) invalid("tensor " + tensor + " has the type " + name + ", which can't be converted");
  return f->type;
}

std::vector<int64_t> shape_from_js(const std::string& tensor, Napi::Value v) {
  if (!v.IsArray()) invalid("tensor " + tensor + " needs a shape");
  const Napi::Array list = v.As<Napi::Array>();
  std::vector<int64_t> out;
  for (uint32_t i = 0; i < list.Length(); i++) out.push_back(scalar_from_js<int64_t>(tensor, list.Get(i)));
  return out;
}

convert::TensorPlan plan_from_js(Napi::Object o) {
  convert::TensorPlan p;
  p.spec.name = o.Get("name").ToString();
  p.spec.type = dtype_from_js(p.spec.name, o.Get("type"));
  p.spec.shape = shape_from_js(p.spec.name, o.Get("shape"));
  if (!o.Get("source").IsObject()) {  // random values
    p.source.shape = p.spec.shape;
    return p;
  }
  const Napi::Object source = o.Get("source").ToObject();
  p.source.path = source.Get("path").ToString();
  p.source.name = source.Get("name").ToString();
  p.source.type = dtype_from_js(p.source.name, source.Get("dtype"));
  p.source.shape = shape_from_js(p.source.name, source.Get("shape"));
  p.source.offset = scalar_from_js<uint64_t>(p.source.name, source.Get("offset"));
  return p;
}

/// What the handle and its running worker share.
struct State {
  explicit State(std::unique_ptr<convert::Conversion> c) : conversion(std::move(c)) {}
  std::unique_ptr<convert::Conversion> conversion;
  std::atomic<bool> busy = false;
};

/// Ends a claim when the worker is done.
struct Release {
  State& state;
  ~Release() { state.busy = false; }
};

class Writer : public Napi::ObjectWrap<Writer> {
 public:
  static Napi::Object create(Napi::Env env, std::unique_ptr<convert::Conversion> conversion) {
    const Napi::Function constructor =
        DefineClass(env, "Writer",
                    {InstanceAccessor<&Writer::file_bytes>("fileBytes"),
                     InstanceMethod<&Writer::bytes_done>("bytesDone"), InstanceMethod<&Writer::write_next>("writeNext"),
                     InstanceMethod<&Writer::finish>("finish"), InstanceMethod<&Writer::abort>("abort")});
    Napi::Object object = constructor.New({});
    Unwrap(object)->state_ = std::make_shared<State>(std::move(conversion));
    return object;
  }
  explicit Writer(const Napi::CallbackInfo& info) : ObjectWrap(info) {}
  ~Writer() override {
    if (state_) state_->conversion->abort();  // nothing to remove after finish()
  }

 private:
  Napi::Value file_bytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), state_ ? static_cast<double>(state_->conversion->file_bytes()) : 0);
  }
  Napi::Value bytes_done(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), state_ ? static_cast<double>(state_->conversion->bytes_done()) : 0);
  }

  /// Claims the writer for one call.
  std::shared_ptr<State> claim(Napi::Env env) {
    return guarded(env, [&] {
      if (!state_) invalid("the writer is closed");
      if (state_->busy.exchange(true)) invalid("the writer is busy");
      return state_;
    });
  }

  Napi::Value write_next(const Napi::CallbackInfo& info) {
    const std::shared_ptr<State> state = claim(info.Env());
    return run_async(
        info.Env(),
        [state]() -> std::pair<std::string, uint64_t> {
          const Release release{*state};
          const uint64_t before = state->conversion->bytes_done();
          const convert::TensorPlan& t = state->conversion->write_next();
          return {t.spec.name, state->conversion->bytes_done() - before};
        },
        [](Napi::Env env, const std::pair<std::string, uint64_t>& done) -> Napi::Value {
          Napi::Object o = Napi::Object::New(env);
          o.Set("name", done.first);
          o.Set("bytes", static_cast<double>(done.second));
          return o;
        });
  }

  Napi::Value finish(const Napi::CallbackInfo& info) {
    const std::shared_ptr<State> state = claim(info.Env());
    return run_async(
        info.Env(),
        [state] {
          const Release release{*state};
          state->conversion->finish();
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  }

  void abort(const Napi::CallbackInfo&) {
    if (state_) state_->conversion->abort();
    state_.reset();  // a running worker holds its own reference; the file is closed with the last one
  }

  std::shared_ptr<State> state_;
};

/// On the main thread: whoever ends the process then has the handle by which to remove the temporary file.
Napi::Value create_writer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const Napi::Array entries = info[1].As<Napi::Array>(), tensors = info[2].As<Napi::Array>();
    std::vector<gguf::Entry> metadata;
    std::vector<convert::TensorPlan> plan;
    for (uint32_t i = 0; i < entries.Length(); i++) metadata.push_back(entry_from_js(entries.Get(i).ToObject()));
    for (uint32_t i = 0; i < tensors.Length(); i++) plan.push_back(plan_from_js(tensors.Get(i).ToObject()));
    const auto threads = static_cast<int>(std::clamp<int64_t>(scalar_from_js<int64_t>("threads", info[3]), 0, 1024));
    const std::string path = info[0].ToString();
    return Writer::create(env, std::make_unique<convert::Conversion>(path, metadata, std::move(plan), threads));
  });
}

}  // namespace

void export_writer(Napi::Env env, Napi::Object exports) {
  exports.Set("createWriter", Napi::Function::New(env, create_writer, "createWriter"));
}

}  // namespace owl3::addon
