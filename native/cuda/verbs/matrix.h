// Weights on the device.
#pragma once
#include "cuda/kernels/packing.h"
#include "cuda/launch.h"
#include "ops/tensor.h"

namespace owl3::cuda {

/// A weight in the layout of kernels/packing.h. The owner of its memory sets packed.data.
struct DeviceMatrix : ops::Matrix {
  /// Takes type and size; `bytes` is what packed.data needs, 256-byte aligned. Error{unsupported} when the matrix has
  /// more than 2^31 - 1 rows or columns.
  explicit DeviceMatrix(const ops::HostTensor& t);
  PackedMatrix packed;
};

/// Rows are repacked in runs that begin at a multiple of this.
constexpr int64_t repack_rows = strip_rows;

/// Repacks rows [first_row, first_row + rows) of a tensor. `raw`: these rows as the file has them, on the device;
/// `rows` is a multiple of repack_rows unless the run ends with the matrix. Needs no scratch.
void repack(Launcher& launcher, const DeviceMatrix& m, const void* raw, int64_t first_row, int64_t rows);

}  // namespace owl3::cuda
