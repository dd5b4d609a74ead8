// Which kernels an instruction set has: dispatch.cpp is the whole table.
#pragma once
#include "base/isa.h"
#include "cpu/attention/attention.h"
#include "cpu/gemm/kernels.h"
#include "cpu/peaks/peaks.h"
#include "cpu/rope/rope.h"

namespace owl3::cpu {

struct Kernels {
  gemm::Kernels gemm;
  attention::Kernels attention;
  rope::Kernels rope;
  peaks::Loops peaks;
};

/// What the GEMV kernels are best to prefetch on this processor.
gemm::Fetch best_fetch();
/// Those of an instruction set that is available here. Error{unsupported} when this build has none for it.
Kernels kernels_of(Isa isa, gemm::Fetch fetch = best_fetch());

}  // namespace owl3::cpu
