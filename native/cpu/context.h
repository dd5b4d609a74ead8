// The state that the operations of the CPU backend share.
#pragma once
#include "base/thread_pool.h"
#include "cpu/dispatch.h"
#include "cpu/workspace.h"
#include "ops/backend.h"

namespace owl3::cpu {

namespace gemm {
class PackedCopy;
}

/// Only one operation of a backend runs at a time.
struct Context {
  ThreadPool& pool;
  Workspace& workspace;
  const Kernels& kernels;
  ops::Precision precision;
  gemm::PackedCopy* copy = nullptr;  ///< where weights are kept, if anywhere
  unsigned forms = 0;  ///< activations that the matrices loaded so far are multiplied with: a bit for each gemm::Form
  bool residuals = false;  ///< whether one of them takes the residuals of int8 rows
};

}  // namespace owl3::cpu
