// The CPU as a backend: the verbs of ops/backend.h.
#pragma once
#include <memory>

#include "base/isa.h"
#include "ops/device.h"

namespace owl3::cpu {

/// A backend with the kernels of `isa`: by default the best instruction set of this machine, or that named by OWL3_ISA.
/// Errors: invalid_argument for a number of threads outside 0..1024, unsupported where `isa` is not available here, and
/// those of choose_isa().
std::unique_ptr<ops::Backend> make_backend(const ops::BackendOptions& options, Isa isa = choose_isa());

/// The CPU in the list of devices.
ops::DeviceInfo device_info();

}  // namespace owl3::cpu
