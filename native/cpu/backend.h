// The CPU as a backend.
#pragma once
#include <memory>

#include "base/isa.h"
#include "ops/device.h"

namespace owl3::cpu {

/// A backend with kernels of `isa`: by default the best instruction set of this machine, or that named by OWL3_ISA.
/// Error{unsupported} when it is not available here.
std::unique_ptr<ops::Backend> make_backend(const ops::BackendOptions& options, Isa isa = choose_isa());

/// The CPU in the list of devices.
ops::DeviceInfo device_info();

}  // namespace owl3::cpu
