// Metadata of a GGUF file as JavaScript values.
#pragma once
#include <napi.h>

#include "gguf/gguf.h"

namespace owl3::addon {

/// An object with all keys of the file. 64-bit integers that a double can't hold become BigInt.
Napi::Object metadata_to_js(Napi::Env env, const gguf::File& file);

}  // namespace owl3::addon
