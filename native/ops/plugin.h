// The border between the addon and a plugin: one C function. Behind it C++ classes cross (ops/device.h, ops/backend.h),
// so both sides must have been built from the same headers by the same compiler; OWL3_ABI says by which.
#pragma once
#include "ops/device.h"

namespace owl3::ops {

/// `abi` is the caller's OWL3_ABI. Null when the plugin was built for another one; else a family that lives as long as
/// the plugin is loaded.
using PluginEntry = const DeviceFamily*(const char* abi);
constexpr const char* plugin_entry = "owl3_plugin";

}  // namespace owl3::ops
