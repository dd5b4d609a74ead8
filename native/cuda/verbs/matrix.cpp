#include "cuda/verbs/matrix.h"

#include <limits>

#include "base/error.h"
#include "base/math.h"
#include "cuda/verbs/launch.h"

namespace owl3::cuda {
namespace {

Packing packing_of(DType type) {
  switch (type) {
    case DType::f32:
      return Packing::f32;
    case DType::f16:
      return Packing::f16;
    case DType::bf16:
      return Packing::bf16;
    case DType::q8_0:
      return Packing::q8_0;
    case DType::q4_0:
      return Packing::q4_0;
    case DType::q5_0:
      return Packing::q5_0;
    case DType::q4_k:
      return Packing::q4_k;
    case DType::q5_k:
      return Packing::q5_k;
    case DType::q6_k:
      return Packing::q6_k;
  }
  throw Error(ErrorCode::unsupported, "the device has no kernels for this format of weights");
}

int32_t checked(int64_t n) {
  if (n < 1 || n > std::numeric_limits<int32_t>::max())
    throw Error(ErrorCode::unsupported, "a matrix with " + std::to_string(n) + " rows or columns");
  return static_cast<int32_t>(n);
}

}  // namespace

DeviceMatrix::DeviceMatrix(const ops::HostTensor& t) {
  rows = t.rows;
  cols = t.cols;
  type = t.type;
  packed = {.data = nullptr, .rows = checked(rows), .cols = checked(cols), .packing = packing_of(type)};
  const Record r = record_of(packed.packing);
  packed.units = static_cast<int32_t>(divide_up(cols, r.columns));
  bytes = static_cast<uint64_t>(divide_up(rows, strip_rows)) * static_cast<uint64_t>(packed.units) *
          static_cast<uint64_t>(r.bytes);
}

void repack(Launcher& launcher, const DeviceMatrix& m, const void* raw, int64_t first_row, int64_t rows) {
  if (first_row % repack_rows != 0 || (rows % repack_rows != 0 && first_row + rows != m.rows))
    throw Error(ErrorCode::internal, "repack: a run of rows that cuts a strip");
  const int64_t strip = int64_t{m.packed.units} * record_of(m.packed.packing).bytes;
  const RepackParams p{.raw = static_cast<const uint8_t*>(raw),
                       .packed = const_cast<uint8_t*>(m.packed.data) + first_row / strip_rows * strip,
                       .row_bytes = static_cast<int64_t>(gguf::row_bytes(m.type, m.cols)),
                       .rows = static_cast<int32_t>(rows),
                       .cols = m.packed.cols,
                       .units = m.packed.units,
                       .packing = m.packed.packing};
  launch(launcher, "repack",
         {static_cast<uint32_t>(m.packed.units), static_cast<uint32_t>(divide_up(rows, strip_rows))}, 32, p);
}

}  // namespace owl3::cuda
