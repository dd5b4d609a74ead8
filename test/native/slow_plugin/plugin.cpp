// The slow device as a plugin, so that whole models can be asked on it through the addon.
#include "ops/plugin.h"

#include <cstring>

#include "support/slow_backend.h"

namespace {

class SlowFamily : public owl3::ops::DeviceFamily {
 public:
  std::vector<owl3::ops::DeviceInfo> devices() const override {
    return {{.id = "slow", .name = "a slow device, for tests"}};
  }
  std::unique_ptr<owl3::ops::Backend> make(const std::string& id, const owl3::ops::BackendOptions&) const override {
    if (id != "slow") throw owl3::Error(owl3::ErrorCode::unsupported, "there is no device '" + id + "'");
    return std::make_unique<owl3::test::SlowBackend>();
  }
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const owl3::ops::DeviceFamily* owl3_plugin(const char* abi) {
  static const SlowFamily family;
  return std::strcmp(abi, OWL3_ABI) == 0 ? &family : nullptr;
}
