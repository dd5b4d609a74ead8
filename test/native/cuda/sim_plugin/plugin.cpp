// The CUDA backend over the fake driver as a plugin, so that whole models can be asked on it through the addon. Its kind
// is the one that its file is named after: owl3-cuda-sim.node gives devices cuda-sim:0, cuda-sim:1 and so on.
// $OWL3_CUDA_SIM says what the driver plays (fake_driver::parse_play), or "library=0" for none and "abi=0" for another ABI.
#include "ops/plugin.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cuda/fake_driver/fake_driver.h"
#include "cuda/family.h"

namespace {

std::string kind() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&kind), &info) == 0) return "cuda-sim";
  const std::string name = std::filesystem::path(info.dli_fname).stem().string();
  return name.substr(name.find('-') + 1);
}

const owl3::cuda::driver::Api& load() {
  const char* play = std::getenv("OWL3_CUDA_SIM");
  const std::string text = play == nullptr ? "" : play;
  if (text == "library=0")
    throw owl3::Error(owl3::ErrorCode::unsupported, "no NVIDIA driver is installed: libcuda.so.1 was not found.");
  owl3::test::fake_driver::begin(owl3::test::fake_driver::parse_play(text));
  return owl3::test::fake_driver::api();
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const owl3::ops::DeviceFamily* owl3_plugin(const char* abi) {
  const char* play = std::getenv("OWL3_CUDA_SIM");
  if (std::strcmp(abi, OWL3_ABI) != 0 || (play != nullptr && std::strcmp(play, "abi=0") == 0)) return nullptr;
  static const owl3::cuda::CudaFamily family(kind(), {"the kernels of the simulation", 13000}, load);
  return &family;
}
