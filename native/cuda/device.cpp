#include "cuda/device.h"

#include "cuda/kernels/list.h"

namespace owl3::cuda {

Device::Device(std::shared_ptr<const driver::Driver> driver, const driver::DeviceFacts& facts, std::string id,
               const void* image)
    : driver_(std::move(driver)), facts_(facts), id_(std::move(id)) {
  const driver::Result retained = driver_->api().primary_retain(&context_, facts_.number);
  if (retained != driver::success)
    throw Error(ErrorCode::unsupported, title() + " can't be used: " + driver_->sentence(retained) + ".");
  try {
    load(image);
  } catch (...) {
    if (module_ != nullptr) use_anyway().module_unload(module_);
    driver_->api().primary_release(facts_.number);
    throw;
  }
}

void Device::load(const void* image) {
  const driver::Api& api = use();
  const driver::Result loaded = api.module_load(&module_, image);
  if (loaded == driver::out_of_memory)
    throw Error(ErrorCode::out_of_memory, title() + " has no memory left for the kernels.");
  if (loaded != driver::success)
    throw Error(ErrorCode::unsupported, title() + " can't load the kernels: " + driver_->sentence(loaded) + ".");
  const auto find = [&](const char* name) {
    check(api.module_function(&kernels_[name], module_, name), "a kernel is missing");
  };
#define OWL3_CUDA_FIND(name, Params) find(#name);
  OWL3_CUDA_KERNELS(OWL3_CUDA_FIND)
#undef OWL3_CUDA_FIND
}

Device::~Device() {
  use_anyway().module_unload(module_);
  driver_->api().primary_release(facts_.number);
}

const driver::Api& Device::use_anyway() const noexcept {
  driver_->api().context_set(context_);
  return driver_->api();
}

const driver::Api& Device::use() const {
  if (is_lost_) {
    const std::lock_guard lock(mutex_);
    throw Error(ErrorCode::device_lost, lost_);
  }
  return use_anyway();
}

void Device::check(driver::Result result, const char* cannot) const {
  if (result == driver::success) return;
  const std::string sentence = driver_->sentence(result);
  if (driver::is_lost(result)) {
    const std::lock_guard lock(mutex_);
    if (lost_.empty())
      lost_ = "the device " + title() + " was lost: " + sentence + ". Start again to use it, or use another device.";
    is_lost_ = true;
    throw Error(ErrorCode::device_lost, lost_);
  }
  throw Error(result == driver::out_of_memory ? ErrorCode::out_of_memory : ErrorCode::internal,
              title() + ": " + cannot + ": " + sentence + ".");
}

Device::Memory Device::memory() const {
  Memory m;
  check(use().memory_info(&m.free, &m.total), "its memory can't be asked for");
  return m;
}

void Device::launch(const Launch& l, driver::Stream stream) const {
  const auto kernel = kernels_.find(l.kernel);
  if (kernel == kernels_.end()) throw Error(ErrorCode::internal, std::string("there is no kernel ") + l.kernel);
  void* params[] = {const_cast<void*>(l.params)};
  check(use().launch_kernel(kernel->second, l.grid.x, l.grid.y, l.grid.z, l.block.x, l.block.y, l.block.z,
                            l.shared_bytes, stream, params, nullptr),
        "a kernel can't be launched");
}

}  // namespace owl3::cuda
