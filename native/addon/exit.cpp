// exitNow.
#include <cstdlib>

#include "exports.h"

namespace owl3::addon {

// process.exit() joins libuv's threads, so Ctrl-C would come back only after the picture being encoded; this ends the
// process now. The command line is the only caller: a library never ends its host.
void export_exit(Napi::Env env, Napi::Object exports) {
  exports.Set("exitNow",
              Napi::Function::New(
                  env, [](const Napi::CallbackInfo& info) { std::_Exit(info[0].ToNumber().Int32Value()); }, "exitNow"));
}

}  // namespace owl3::addon
