// The verbs of ops/backend.h on the CPU.
#pragma once
#include <memory>

#include "base/isa.h"
#include "ops/backend.h"

namespace owl3::cpu {

/// A backend with the kernels of `isa`, which is available here. Errors: invalid_argument for a number of threads outside
/// 0..1024, unsupported when this build has no kernels for `isa`, and those of choose_isa().
std::unique_ptr<ops::Backend> make_backend(const ops::BackendOptions& options, Isa isa = choose_isa());

}  // namespace owl3::cpu
