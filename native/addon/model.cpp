#include "exports.h"

namespace owl3::addon {
void export_model(Napi::Env, Napi::Object) {}
}  // namespace owl3::addon
