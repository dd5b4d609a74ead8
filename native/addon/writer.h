// The export of createWriter.
#pragma once
#include <napi.h>

namespace owl3::addon {

void export_writer(Napi::Env env, Napi::Object exports);

}  // namespace owl3::addon
