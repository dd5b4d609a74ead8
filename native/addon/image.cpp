// resize and cutImage.
#include "image/image.h"

#include <memory>
#include <vector>

#include "exports.h"
#include "handles.h"

namespace owl3::addon {
namespace {

/// The picture of arguments 0 to 2: pixels, width, height. The view is valid while the pixels' array is referenced.
image::View picture(const Napi::CallbackInfo& info) {
  const int width = to_int32(info[1], "width"), height = to_int32(info[2], "height");
  if (!is_typed_array(info[0], napi_uint8_array)) throw invalid(info.Env(), "the pixels must be a Uint8Array");
  const auto rgb = info[0].As<Napi::Uint8Array>();
  if (static_cast<uint64_t>(rgb.ByteLength()) !=
      uint64_t{3} * static_cast<uint64_t>(width) * static_cast<uint64_t>(height))
    throw invalid(info.Env(), "the pixels must be width * height * 3 bytes");
  return {rgb.Data(), width, height};
}

using Bytes = std::vector<uint8_t>;

/// Runs `work` with the pixels' array referenced until it is done. The promise resolves to a Uint8Array that owns the
/// result without a copy.
template <class Work>
Napi::Value start(const Napi::CallbackInfo& info, Work work) {
  auto array = std::make_shared<Napi::ObjectReference>(Napi::Persistent(info[0].As<Napi::Object>()));
  return run_async(info.Env(), std::move(work), [array](Napi::Env env, Bytes bytes) -> Napi::Value {
    auto* owned = new Bytes(std::move(bytes));
    const auto buffer = Napi::Buffer<uint8_t>::NewOrCopy(
        env, owned->data(), owned->size(), [](Napi::Env, uint8_t*, Bytes* b) { delete b; }, owned);
    return Napi::Uint8Array::New(env, buffer.ByteLength(), buffer.ArrayBuffer(), buffer.ByteOffset());
  });
}

Napi::Value resize(const Napi::CallbackInfo& info) {
  const image::View source = picture(info);
  const int width = to_int32(info[3], "outWidth"), height = to_int32(info[4], "outHeight");
  return start(info, [=] { return image::resize(source, width, height); });
}

constexpr int max_grid_side = 1024;

Napi::Value cut_image(const Napi::CallbackInfo& info) {
  const image::View source = picture(info);
  const int s = to_int32(info[3], "s");
  int rows = 0, cols = 0;
  if (!info[4].IsNull() && !info[4].IsUndefined()) {
    const Napi::Array grid = to_array(info[4], "the grid");
    rows = to_int32(grid.Get(0u), "the grid's rows", 1, max_grid_side);
    cols = to_int32(grid.Get(1u), "the grid's columns", 1, max_grid_side);
  }
  return start(info, [=] { return image::cut(source, s, rows, cols); });
}

}  // namespace

void export_image(Napi::Env env, Napi::Object exports) {
  exports.Set("resize", Napi::Function::New(env, resize, "resize"));
  exports.Set("cutImage", Napi::Function::New(env, cut_image, "cutImage"));
}

}  // namespace owl3::addon
