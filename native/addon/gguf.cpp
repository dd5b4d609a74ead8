#include "exports.h"

namespace owl3::addon {
void export_gguf(Napi::Env, Napi::Object) {}
}  // namespace owl3::addon
