#include "cuda/family.h"

#include "cuda/backend.h"

namespace owl3::cuda {
namespace {

std::string too_old(const driver::DeviceFacts& facts) {
  return "it is of compute capability " + std::to_string(facts.capability / 10) + "." +
         std::to_string(facts.capability % 10) + ", and 7.5 (Turing, 2018) or newer is needed.";
}

/// Asks a device for its free memory. The answer costs a context.
std::string measure(const driver::Driver& driver, const driver::DeviceFacts& facts, uint64_t* free_memory) {
  const driver::Api& api = driver.api();
  driver::Context context = nullptr;
  driver::Result result = api.primary_retain(&context, facts.number);
  if (result != driver::success) return "it can't be used: " + driver.sentence(result) + ".";
  size_t free = 0, total = 0;
  result = api.context_set(context);
  if (result == driver::success) result = api.memory_info(&free, &total);
  api.context_set(nullptr);
  api.primary_release(facts.number);
  *free_memory = free;
  return result == driver::success ? "" : "its memory can't be asked for: " + driver.sentence(result) + ".";
}

}  // namespace

std::shared_ptr<const driver::Driver> CudaFamily::driver() const {
  const std::lock_guard lock(mutex_);
  if (!driver_) driver_ = std::make_shared<driver::Driver>(load_(), kernels_.version);
  return driver_;
}

std::string CudaFamily::id_of(const driver::DeviceFacts& facts) const {
  return kind_ + ":" + std::to_string(facts.number);
}

std::vector<ops::DeviceInfo> CudaFamily::devices() const {
  const std::shared_ptr<const driver::Driver> driver = this->driver();
  std::vector<ops::DeviceInfo> all;
  for (const driver::DeviceFacts& facts : driver->devices()) {
    ops::DeviceInfo info{.id = id_of(facts), .name = facts.name, .total_memory = facts.total_memory};
    if (facts.capability < min_capability)
      info.reason = too_old(facts);
    else
      info.reason = measure(*driver, facts, &info.free_memory);
    all.push_back(std::move(info));
  }
  return all;
}

std::unique_ptr<ops::Backend> CudaFamily::make(const std::string& id, const ops::BackendOptions& options) const {
  const std::shared_ptr<const driver::Driver> driver = this->driver();
  std::string names;
  for (const driver::DeviceFacts& facts : driver->devices()) {
    if (id != id_of(facts) && id != kind_) {
      names += (names.empty() ? "" : ", ") + id_of(facts);
      continue;
    }
    if (facts.capability < min_capability)
      throw Error(ErrorCode::unsupported,
                  "device '" + id_of(facts) + "' (" + facts.name + ") can't be used: " + too_old(facts));
    return make_backend(driver, facts, id_of(facts), kernels_.image, options);
  }
  throw Error(ErrorCode::unsupported, "there is no device '" + id.substr(0, 64) + "'; there are " + names + ".");
}

}  // namespace owl3::cuda
