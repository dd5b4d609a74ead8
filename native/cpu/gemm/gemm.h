// Products with weight matrices: the verbs of ops/backend.h (their contracts are there) on the thread pool.
#pragma once
#include <memory>
#include <span>

#include "cpu/context.h"

namespace owl3::cpu::gemm {

/// Packs a weight for the kernels of the context. Errors as pack_matrix.
std::unique_ptr<ops::Matrix> load_matrix(Context& c, const ops::HostTensor& t);
void get_rows(Context& c, const ops::Matrix& w, std::span<const int32_t> ids, float* y);
void linear(Context& c, const ops::LinearParams& p);
/// Grows the workspace to what linear() of `rows` rows of up to `cols` inputs needs with the matrices loaded so far.
void reserve(Context& c, int64_t rows, int64_t cols);
/// Bytes of the workspace after reserve() of all of these.
size_t reserved_bytes(const Context& c, std::span<const ops::ScratchNeed> needs);

}  // namespace owl3::cpu::gemm
