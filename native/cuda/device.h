// A device in use: its context, its kernels, and what becomes of errors.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "cuda/driver/driver.h"
#include "cuda/launch.h"

namespace owl3::cuda {

/// All calls may come from any thread. A device that fails in the middle of its work is lost until the process ends, and
/// says so from then on.
class Device {
 public:
  /// Retains the device's context and loads `image`, the compiled kernels. `id` is its name in options: "cuda:0".
  /// Error{unsupported} when it can't be used.
  Device(std::shared_ptr<const driver::Driver> driver, const driver::DeviceFacts& facts, std::string id,
         const void* image);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const std::string& id() const { return id_; }
  const driver::DeviceFacts& facts() const { return facts_; }
  driver::Context context() const { return context_; }
  /// "cuda:0 (NVIDIA H100)"
  std::string title() const { return id_ + " (" + facts_.name + ")"; }

  /// The driver's functions, with this device's context current in the calling thread. Error{device_lost} when it
  /// is lost.
  const driver::Api& use() const;
  /// The same for cleaning up, which a lost device needs, too.
  const driver::Api& use_anyway() const noexcept;
  /// Throws unless the call went well: Error{out_of_memory}, Error{device_lost} or Error{internal}.
  void check(driver::Result result, const char* cannot) const;

  struct Memory {
    size_t free = 0, total = 0;  ///< bytes
  };
  Memory memory() const;

  /// Enqueues a kernel on a stream.
  void launch(const Launch& launch, driver::Stream stream) const;

 private:
  void load(const void* image);

  std::shared_ptr<const driver::Driver> driver_;
  driver::DeviceFacts facts_;
  std::string id_;
  driver::Context context_ = nullptr;
  driver::Module module_ = nullptr;
  std::unordered_map<std::string_view, driver::Function> kernels_;
  mutable std::mutex mutex_;
  mutable std::string lost_;  // why; empty: it is not
  mutable std::atomic<bool> is_lost_ = false;
};

}  // namespace owl3::cuda
