// Packing of a file's rows into panels (packed.h), and the way back.
#pragma once
#include <memory>

#include "base/thread_pool.h"
#include "cpu/gemm/packed.h"
#include "cpu/gemm/packed_copy.h"
#include "ops/tensor.h"

namespace owl3::cpu::gemm {

class PackedMatrix final : public ops::Matrix {
 public:
  Packed packed{};
  std::shared_ptr<const void> memory;  ///< holds the panels: allocated, or mapped from a copy
};

/// Without data only its sizes are set. With a copy the panels are those of it, or go there; a matrix that was added to
/// it has none before the copy is finished. Error{out_of_memory}; bad_model when cols is no multiple of the type's block.
std::unique_ptr<PackedMatrix> pack_matrix(const ops::HostTensor& t, bool unsigned_q8, ThreadPool& pool,
                                          PackedCopy* copy = nullptr);
/// A hash of what packing makes of sample tensors of all formats: it changes whenever the packed bytes of any do.
uint64_t packing_fingerprint(bool unsigned_q8, ThreadPool& pool);
/// Row `row` as dequantize_row would give it.
void unpack_row(const Packed& m, int64_t row, float* y);

}  // namespace owl3::cpu::gemm
