// Weights: views of host tensors to load, and matrices in a backend's own form.
// Shape notation in all native headers: [rows, cols], row-major, cols fastest; f32 unless said otherwise.
#pragma once
#include <cstdint>

#include "gguf/quant.h"

namespace owl3::ops {

/// How many activation rows a weight is multiplied with. `stream`: few or many, and always with the same arithmetic (the
/// language model: decoding, prefill in any chunks). `bulk`: always hundreds (whole crops), so a backend may choose other
/// arithmetic of at least that accuracy. `logits`: as stream, and its outputs are logits, so that rounding shows.
enum class MatrixUse : uint8_t { stream, bulk, logits };

/// A matrix in a file: `rows` packed rows of `cols` values.
struct HostTensor {
  DType type = DType::f32;
  int64_t rows = 0;
  int64_t cols = 0;
  const void* data = nullptr;
  MatrixUse use = MatrixUse::stream;
  uint64_t offset = 0;  ///< in its file
};

/// A weight matrix in the form its backend computes with (repacked, on the device, ...). Made by Backend::load_matrix.
class Matrix {
 public:
  virtual ~Matrix() = default;
  int64_t rows = 0;  ///< n: outputs
  int64_t cols = 0;  ///< k: inputs
  DType type = DType::f32;
  uint64_t bytes = 0;  ///< memory it takes on its backend
};

}  // namespace owl3::ops
