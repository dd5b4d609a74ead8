// Plugins: shared libraries with other kinds of devices (ops/plugin.h).
#pragma once
#include <string>
#include <vector>

#include "ops/device.h"

namespace owl3::backends {

struct Plugin {
  const ops::DeviceFamily* family = nullptr;  ///< lives until the process ends
  std::string reason;                         ///< one sentence why there is none
};

/// Kinds whose plugin stands beside the addon.
std::vector<std::string> installed_plugins();

/// The plugin of a kind (letters a to z), loaded on first use and kept.
Plugin load_plugin(const std::string& kind);

}  // namespace owl3::backends
