// A driver that was started, with errors as sentences.
#pragma once
#include <string>
#include <vector>

#include "base/error.h"
#include "cuda/driver/api.h"

namespace owl3::cuda::driver {

/// A device as the driver describes it.
struct DeviceFacts {
  DeviceNumber number = 0;
  std::string name;    ///< "NVIDIA H100 PCIe"
  int capability = 0;  ///< 10 * major + minor: 90
  int multiprocessors = 0;
  uint64_t total_memory = 0;  ///< bytes
};

class Driver {
 public:
  /// Starts it. `needed` is the version that the kernels need, as cuDriverGetVersion says it (13000 is CUDA 13.0): a
  /// driver serves every minor version of its major one. Error{unsupported} with the reason when it does not start or
  /// is too old.
  Driver(const Api& api, int needed);

  const Api& api() const { return api_; }
  /// The devices of the machine, by their numbers. Error{unsupported} when there is none.
  std::vector<DeviceFacts> devices() const;
  /// The driver's sentence about a result, without an end: "out of memory".
  std::string sentence(Result result) const;
  /// Throws Error{internal} unless the call went well: "CANNOT: SENTENCE."
  void check(Result result, const char* cannot) const;

 private:
  Api api_;
};

/// Device memory as the driver's functions take it.
inline Address address_of(const void* memory) {
  return static_cast<Address>(reinterpret_cast<uintptr_t>(memory));
}

/// "13.0" of 13000.
std::string version_text(int version);

/// Whether a device that returned this works no more before the process ends.
bool is_lost(Result result);

}  // namespace owl3::cuda::driver
