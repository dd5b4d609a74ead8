#include "cuda/driver/driver.h"

namespace owl3::cuda::driver {
namespace {

[[noreturn]] void unusable(const std::string& why) {
  throw Error(ErrorCode::unsupported, why);
}

}  // namespace

Driver::Driver(const Api& api, int needed) : api_(api) {
  int version = 0;
  if (api_.driver_version(&version) != success) version = 0;
  // Asked first: an old driver in a new container may not start at all, and its age is the reason to tell.
  if (version > 0 && version / 1000 < needed / 1000)
    unusable("the NVIDIA driver is too old: it knows CUDA " + version_text(version) + ", and CUDA " +
             version_text(needed / 1000 * 1000) + " is needed; install a newer driver.");
  const Result started = api_.init(0);
  if (started == no_device) unusable("the NVIDIA driver finds no device.");
  if (started == stub_library)
    unusable("the libcuda.so.1 that was found is a stub to link programs with, and no driver.");
  if (started == system_driver_mismatch || started == compat_not_supported)
    unusable("the parts of the NVIDIA driver are of different versions (" + sentence(started) +
             "); restart the machine or install the driver again.");
  if (started != success) unusable("the NVIDIA driver does not start: " + sentence(started) + ".");
}

std::string Driver::sentence(Result result) const {
  const char* text = nullptr;
  if (api_.error_string(result, &text) != success || text == nullptr) return "error " + std::to_string(result);
  return text;
}

void Driver::check(Result result, const char* cannot) const {
  if (result != success) throw Error(ErrorCode::internal, std::string(cannot) + ": " + sentence(result) + ".");
}

std::vector<DeviceFacts> Driver::devices() const {
  int count = 0;
  check(api_.device_count(&count), "the devices can't be counted");
  if (count == 0) unusable("the NVIDIA driver finds no device.");
  std::vector<DeviceFacts> all;
  for (int i = 0; i < count; i++) {
    DeviceFacts d;
    check(api_.device_get(&d.number, i), "a device can't be asked");
    char name[256] = {};
    check(api_.device_name(name, sizeof name - 1, d.number), "a device can't be asked for its name");
    d.name = name;
    int major = 0, minor = 0;
    size_t total = 0;
    check(api_.device_attribute(&major, attribute_capability_major, d.number), "a device can't be asked");
    check(api_.device_attribute(&minor, attribute_capability_minor, d.number), "a device can't be asked");
    check(api_.device_attribute(&d.multiprocessors, attribute_multiprocessors, d.number), "a device can't be asked");
    check(api_.device_total_memory(&total, d.number), "a device can't be asked for its memory");
    d.capability = 10 * major + minor;
    d.total_memory = total;
    all.push_back(std::move(d));
  }
  return all;
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

bool is_lost(Result result) {
  switch (result) {
    case deinitialized:
    case device_unavailable:
    case invalid_context:
    case ecc_uncorrectable:
    case nvlink_uncorrectable:
    case contained_error:
    case illegal_address:
    case launch_timeout:
    case context_destroyed:
    case assert_failed:
    case unknown:
      return true;
    default:
      return result >= hardware_stack_error && result <= launch_failed;  // faults of kernels, which end the context
  }
}

}  // namespace owl3::cuda::driver
