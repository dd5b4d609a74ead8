#include "exports.h"

namespace owl3::addon {
void export_image(Napi::Env, Napi::Object) {}
}  // namespace owl3::addon
