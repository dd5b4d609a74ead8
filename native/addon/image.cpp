// resize and cutImage.
#include "image/image.h"

#include <cmath>
#include <string>

#include "exports.h"
#include "handles.h"

namespace owl3::addon {
namespace {

// A non-negative integer argument.
int integer(const Napi::CallbackInfo& info, size_t i, const char* name) {
  const double v = info[i].IsNumber() ? info[i].As<Napi::Number>().DoubleValue() : -1;
  if (!(v >= 0 && v <= 2147483647.0) || v != std::floor(v))
    throw Error(ErrorCode::invalid_argument, std::string(name) + " must be a non-negative integer");
  return static_cast<int>(v);
}

// A picture: arguments 0 to 2, checked against each other. The array must be kept alive by `holder` while the view is
// used.
image::View picture(const Napi::CallbackInfo& info) {
  const int width = integer(info, 1, "width"), height = integer(info, 2, "height");
  if (!is_typed_array(info[0], napi_uint8_array))
    throw Error(ErrorCode::invalid_argument, "the pixels must be a Uint8Array");
  const auto rgb = info[0].As<Napi::Uint8Array>();
  if (static_cast<uint64_t>(rgb.ByteLength()) !=
      uint64_t{3} * static_cast<uint64_t>(width) * static_cast<uint64_t>(height))
    throw Error(ErrorCode::invalid_argument, "the pixels must be width * height * 3 bytes");
  return {rgb.Data(), width, height};
}

using Bytes = std::vector<uint8_t>;

// Starts `work` with the picture's array referenced until it is done; resolves to a Uint8Array that owns the result
// without a copy.
template <class Work>
Napi::Value start(const Napi::CallbackInfo& info, Work work) {
  auto array = std::make_shared<Napi::ObjectReference>(Napi::Persistent(info[0].As<Napi::Object>()));
  return run_async(info.Env(), std::move(work), [array](Napi::Env env, Bytes bytes) -> Napi::Value {
    auto* kept = new Bytes(std::move(bytes));
    const auto buffer = Napi::Buffer<uint8_t>::NewOrCopy(
        env, kept->data(), kept->size(), [](Napi::Env, uint8_t*, Bytes* owned) { delete owned; }, kept);
    return Napi::Uint8Array::New(env, buffer.ByteLength(), buffer.ArrayBuffer(), buffer.ByteOffset());
  });
}

Napi::Value resize(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const image::View source = picture(info);
    const int width = integer(info, 3, "outWidth"), height = integer(info, 4, "outHeight");
    return start(info, [=] { return image::resize(source, width, height); });
  });
}

Napi::Value cut_image(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const image::View source = picture(info);
    const int s = integer(info, 3, "s");
    int rows = 0, cols = 0;
    if (!info[4].IsNull() && !info[4].IsUndefined()) {
      const auto side = [&](uint32_t i) {
        const Napi::Value v = info[4].IsArray() ? info[4].As<Napi::Array>().Get(i) : info.Env().Undefined();
        const double d = v.IsNumber() ? v.As<Napi::Number>().DoubleValue() : 0;
        if (!(d >= 1 && d <= 1024) || d != std::floor(d))
          throw Error(ErrorCode::invalid_argument, "the grid must be [rows, columns] or null");
        return static_cast<int>(d);
      };
      rows = side(0);
      cols = side(1);
    }
    return start(info, [=] { return image::cut(source, s, rows, cols); });
  });
}

}  // namespace

void export_image(Napi::Env env, Napi::Object exports) {
  exports.Set("resize", Napi::Function::New(env, resize, "resize"));
  exports.Set("cutImage", Napi::Function::New(env, cut_image, "cutImage"));
}

}  // namespace owl3::addon
