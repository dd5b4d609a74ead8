// createWriter: the handle of a GGUF file being written.
#include "writer.h"

#include <atomic>

#include "convert/conversion.h"
#include "handles.h"

namespace owl3::addon {
namespace {

gguf::Type type_from_js(Napi::Value v) {
  const std::string name = to_string(v, "a metadata type");
  const bool array = name.ends_with("[]");
  const std::string scalar = array ? name.substr(0, name.size() - 2) : name;
  for (uint32_t k = 0; k <= static_cast<uint32_t>(gguf::Kind::f64); k++) {
    const auto kind = static_cast<gguf::Kind>(k);
    if (kind != gguf::Kind::array && scalar == gguf::kind_name(kind)) return {kind, array};
  }
  throw invalid(v.Env(), "there is no metadata type " + name);
}

/// The value of entry `e`, whose elements `read` reads.
template <class T>
gguf::Value value_from_js(const gguf::Entry& e, Napi::Value v, T (*read)(Napi::Value, const std::string&)) {
  const std::string name = "key " + e.key;
  if (!e.type.array) return read(v, name);
  const Napi::Array list = to_array(v, name);
  std::vector<T> out;
  out.reserve(list.Length());
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::HandleScope scope(v.Env());
    out.push_back(read(list.Get(i), name));
  }
  return out;
}

gguf::Entry entry_from_js(Napi::Object o) {
  gguf::Entry e{to_string(o.Get("key"), "a metadata key"), type_from_js(o.Get("type")), {}};
  const Napi::Value v = o.Get("value");
  switch (e.type.kind) {
    case gguf::Kind::boolean:
      e.value = value_from_js(e, v, to_bool);
      break;
    case gguf::Kind::string:
      e.value = value_from_js(e, v, to_string);
      break;
    case gguf::Kind::f32:
    case gguf::Kind::f64:
      e.value = value_from_js(e, v, to_double);
      break;
    case gguf::Kind::u8:
    case gguf::Kind::u16:
    case gguf::Kind::u32:
    case gguf::Kind::u64:
      e.value = value_from_js(e, v, to_uint64);
      break;
    default:
      e.value = value_from_js(e, v, to_int64);
  }
  return e;
}

DType dtype_from_js(const std::string& tensor, Napi::Value v) {
  const std::string name = to_string(v, "the type of tensor " + tensor);
  const gguf::Format* f = gguf::find_format(std::string_view(name));
  if (!f) throw invalid(v.Env(), "tensor " + tensor + " has the type " + name + ", which can't be converted");
  return f->type;
}

std::vector<int64_t> shape_from_js(const std::string& tensor, Napi::Value v) {
  const std::string name = "the shape of tensor " + tensor;
  const Napi::Array list = to_array(v, name);
  std::vector<int64_t> out;
  for (uint32_t i = 0; i < list.Length(); i++) out.push_back(to_int64(list.Get(i), name));
  return out;
}

convert::TensorPlan plan_from_js(Napi::Object o) {
  convert::TensorPlan p;
  p.spec.name = to_string(o.Get("name"), "a tensor's name");
  p.spec.type = dtype_from_js(p.spec.name, o.Get("type"));
  p.spec.shape = shape_from_js(p.spec.name, o.Get("shape"));
  if (o.Get("source").IsUndefined()) {  // random values
    p.source.shape = p.spec.shape;
    return p;
  }
  const Napi::Object source = to_object(o.Get("source"), "the source of tensor " + p.spec.name);
  p.source.path = to_string(source.Get("path"), "the path of tensor " + p.spec.name);
  p.source.name = to_string(source.Get("name"), "the source's name of tensor " + p.spec.name);
  p.source.type = dtype_from_js(p.source.name, source.Get("dtype"));
  p.source.shape = shape_from_js(p.source.name, source.Get("shape"));
  p.source.offset = to_uint64(source.Get("offset"), "the offset of tensor " + p.source.name);
  return p;
}

/// The state that the handle and its running worker share.
struct State {
  explicit State(std::unique_ptr<convert::Conversion> c) : conversion(std::move(c)) {}
  std::unique_ptr<convert::Conversion> conversion;
  std::atomic<bool> busy = false;
};

/// RAII: releases the writer when the worker finishes.
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

  /// Claims the writer for one call, until its Release.
  std::shared_ptr<State> claim(Napi::Env env) {
    if (!state_) throw invalid(env, "the writer is closed");
    if (state_->busy.exchange(true)) throw invalid(env, "the writer is busy");
    return state_;
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

/// Runs on the main thread, so that whoever ends the process then has the handle by which to remove the temporary file.
Napi::Value create_writer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const std::string path = to_string(info[0], "the path");
    const Napi::Array entries = to_array(info[1], "the metadata"), tensors = to_array(info[2], "the tensors");
    std::vector<gguf::Entry> metadata;
    std::vector<convert::TensorPlan> plan;
    for (uint32_t i = 0; i < entries.Length(); i++)
      metadata.push_back(entry_from_js(to_object(entries.Get(i), "an entry of the metadata")));
    for (uint32_t i = 0; i < tensors.Length(); i++)
      plan.push_back(plan_from_js(to_object(tensors.Get(i), "an entry of the tensors")));
    const int threads = to_threads(info[3]);
    return Writer::create(env, std::make_unique<convert::Conversion>(path, metadata, std::move(plan), threads));
  });
}

}  // namespace

void export_writer(Napi::Env env, Napi::Object exports) {
  exports.Set("createWriter", Napi::Function::New(env, create_writer, "createWriter"));
}

}  // namespace owl3::addon
