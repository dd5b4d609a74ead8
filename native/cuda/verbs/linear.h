// Matrix products with what comes before (norm, rounding of activations) and after (bias, activation, residual).
#pragma once
#include <cstddef>

#include "cuda/launch.h"
#include "cuda/verbs/matrix.h"
#include "ops/backend.h"

namespace owl3::cuda {

/// How activations enter a product. It is decided by the weight and the precision alone, never by the number of rows.
///   int8   blocks of 32 with a scale of the CPU's grid (cpu/gemm/rows.h): quantised weights
///   f16    two half terms, 22 bits: F16 weights
///   bf16   two bfloat16 terms, 16 bits: BF16 weights
///          (bits of the operands; the tensor cores of a GPU cut off sums where the simulation rounds them)
///   f32    F32 weights, and all under Precision::exact
enum class Form : uint8_t { int8, f16, bf16, f32 };
Form form_of(const DeviceMatrix& m, ops::Precision precision);

/// A set of forms: bit 1 << form.
using Forms = uint32_t;
constexpr Forms forms_bit(Form form) {
  return 1u << static_cast<unsigned>(form);
}

/// Bytes of scratch that linear() takes for `rows` rows of `cols` inputs in all of these forms. It does not fall when
/// either grows.
size_t linear_scratch_bytes(Forms forms, int64_t rows, int64_t cols);

/// ops::Backend::linear. All pointers in `p` and `scratch` (256-byte aligned) are of the device, matrices are
/// DeviceMatrix. An output with a gate may have neither bias, activation nor residual.
void linear(Launcher& launcher, const ops::LinearParams& p, ops::Precision precision, void* scratch);

}  // namespace owl3::cuda
