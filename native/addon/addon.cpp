// The addon's export list.
#include "exports.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  using namespace owl3::addon;
  export_system(env, exports);
  export_gguf(env, exports);
  export_exit(env, exports);
  export_image(env, exports);
  export_model(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(owl3, init)
