// NVIDIA's devices as a family of devices.
#pragma once
#include <functional>
#include <mutex>

#include "cuda/driver/driver.h"
#include "ops/device.h"

namespace owl3::cuda {

/// The kernels as they were compiled: cubins for some architectures and PTX, of which the driver takes what fits.
struct Kernels {
  const void* image = nullptr;
  int version = 0;  ///< the compiler's, as the driver counts versions: 13000
};

/// The least capability of a device, as 10 * major + minor: mma.sync of 8-bit integers.
constexpr int min_capability = 75;

class CudaFamily final : public ops::DeviceFamily {
 public:
  /// `kind` is the name before the colon of its devices. `load` gives the driver's functions, or throws why it can't; it
  /// is called when devices are first asked for.
  CudaFamily(std::string kind, Kernels kernels, std::function<const driver::Api&()> load)
      : kind_(std::move(kind)), kernels_(kernels), load_(std::move(load)) {}

  /// Every device with its memory. Error{unsupported} with the reason when there is none, or no driver.
  std::vector<ops::DeviceInfo> devices() const override;
  std::unique_ptr<ops::Backend> make(const std::string& id, const ops::BackendOptions& options) const override;

 private:
  std::shared_ptr<const driver::Driver> driver() const;
  std::string id_of(const driver::DeviceFacts& facts) const;

  std::string kind_;
  Kernels kernels_;
  std::function<const driver::Api&()> load_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const driver::Driver> driver_;
};

}  // namespace owl3::cuda
