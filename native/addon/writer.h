#pragma once
#include <napi.h>

namespace owl3::addon {

void export_writer(Napi::Env env, Napi::Object exports);  // createWriter

}  // namespace owl3::addon
