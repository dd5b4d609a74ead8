// Kernels of the products of few rows (decoding a token or a few): weights go from packed records to registers to
// products, and cost one read of memory for all rows. What they compute is what linear_kernels.h says, to the bit.
#pragma once
#include "cpu/gemm/kernels.h"

namespace owl3::vector_kernels {

constexpr int64_t most_rows = 12;

/// As linear_kernels::Table has them, for quantised types (int8) and F32, F16, BF16 (f32), at most most_rows rows.
struct Table {
  void (*int8)(const Packed& w, int64_t panel, int32_t panels, const IntRows& x, int64_t row, int64_t rows, float* acc,
               void* scratch);
  void (*f32)(const Packed& w, int64_t panel, int32_t panels, const FloatRows& x, int64_t row, int64_t rows, float* acc,
              void* scratch);
};

/// What the kernels fetch ahead of what they read: the beginnings of pages, which no processor does itself, or every
/// line. What is best is the processor's matter, not the instruction set's.
enum class Fetch : uint8_t { pages, lines };
struct Tables {
  Table pages, lines;
};

/// Null where the kernels for many rows serve.
const Table* table(Isa isa, Fetch fetch);
/// That of this processor.
const Table* table(Isa isa);

}  // namespace owl3::vector_kernels
