// A device as a backend: the verbs of ops/backend.h as kernels on one stream.
#pragma once
#include <memory>
#include <string>

#include "cuda/driver/driver.h"
#include "ops/backend.h"

namespace owl3::cuda {

/// A backend on a device; `id` is its name in options and `image` holds the kernels. Error{unsupported} when the device
/// can't be used.
std::unique_ptr<ops::Backend> make_backend(std::shared_ptr<const driver::Driver> driver,
                                           const driver::DeviceFacts& facts, const std::string& id, const void* image,
                                           const ops::BackendOptions& options);

}  // namespace owl3::cuda
