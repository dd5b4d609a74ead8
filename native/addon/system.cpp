#include "exports.h"

namespace owl3::addon {
void export_system(Napi::Env, Napi::Object) {}
}  // namespace owl3::addon
