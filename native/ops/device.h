// A kind of devices, and backends on them. The CPU is built in; others are plugins,
// shared libraries beside the addon (backends/plugin.h).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ops/backend.h"

namespace owl3::ops {

/// A device that work can be put on, or one that can't be used, with the reason.
struct DeviceInfo {
  std::string id;             ///< its name in options: "cpu", "cuda:0"
  std::string name;           ///< "avx512, 8 cores", "NVIDIA H100"
  uint64_t total_memory = 0;  ///< bytes; 0: not known
  uint64_t free_memory = 0;   ///< bytes; 0: not known
  std::string reason = {};    ///< one sentence why it can't be used; empty: it can
  bool usable() const { return reason.empty(); }
};

/// A kind of devices.
class DeviceFamily {
 public:
  virtual ~DeviceFamily() = default;
  virtual std::vector<DeviceInfo> devices() const = 0;
  /// A backend on the device called `id`. Error{unsupported} with the reason when it can't be used.
  virtual std::unique_ptr<Backend> make(const std::string& id, const BackendOptions& options) const = 0;
};

}  // namespace owl3::ops
