// How weights lie on the device: in the order in which the tensor cores take them, with the bits of their file.
//
// A matrix is cut in strips of 16 outputs, a strip in units of 64 or 256 columns, and a unit is one record; a strip's
// records follow one another. Rows and columns are padded with zeros to whole strips and units.
//
// Values of a quantised record stand in the order of the A operand of mma.m16n8k32: of each block of 32 columns, lane
// l = 4 g + t of a warp holds four words of four values each,
//     word 0   output g,      columns 4t ... 4t + 3            word 2   output g,      columns 4t + 16 ... 4t + 19
//     word 1   output g + 8,  columns 4t ... 4t + 3            word 3   output g + 8,  columns 4t + 16 ... 4t + 19
// and narrow values are cut in planes:
//     4 bits   word 0 | word 1 << 4, word 2 | word 3 << 4: eight bytes a lane and block
//     2 bits   the sum over r of word r << 2r: four bytes a lane and block
//     1 bit    of two blocks b: the sum over r and b of word r << (r + 4 b): four bytes a lane and two blocks
// F16 and BF16 stand in the order of mma.m16n8k16: of each 16 columns a lane holds four words of two values each: output
// g or g + 8 (words 1, 3), columns 2t, 2t + 1 or 2t + 8, 2t + 9 (words 2, 3).
//
// The records (offsets in bytes; "per lane" is [32 lanes][...]):
//     F32    [16][64] floats
//     F16    [4 times 16 columns][per lane 16], BF16 likewise
//     Q8_0   [2 blocks][per lane 16] | scales f16 [16][2]
//     Q4_0   [per lane 16: 2 blocks] | scales f16 [16][2]
//     Q5_0   [per lane 16: 2 blocks] | high bits [per lane 4] | scales f16 [16][2]
//     Q4_K   [4 times 2 blocks][per lane 16] | scales, mins u8 [16][8 + 8] | d, dmin f16 [16][2]
//     Q5_K   [4 times 2 blocks][per lane 16] | high bits [per lane 16] | scales, mins u8 [16][8 + 8] | d, dmin f16 [16][2]
//     Q6_K   [4 times 2 blocks][per lane 16] | high bits [2 times 4 blocks][per lane 16] | scales i8 [16][16] | d f16 [16]
#pragma once
#include "cuda/kernels/types.h"

namespace owl3::cuda {

enum class Packing : int32_t { f32, f16, bf16, q8_0, q4_0, q5_0, q4_k, q5_k, q6_k };

constexpr int32_t strip_rows = 16;  ///< outputs of a strip

/// Sizes of a record. high_at, scale_at and d_at are where these parts begin.
struct Record {
  int32_t columns, bytes, high_at, scale_at, d_at;
};

OWL3_BOTH constexpr Record record_of(Packing packing) {
  switch (packing) {
    case Packing::f32:
      return {64, 4096, 0, 0, 0};
    case Packing::f16:
    case Packing::bf16:
      return {64, 2048, 0, 0, 0};
    case Packing::q8_0:
      return {64, 1088, 0, 1024, 0};
    case Packing::q4_0:
      return {64, 576, 0, 512, 0};
    case Packing::q5_0:
      return {64, 704, 512, 640, 0};
    case Packing::q4_k:
      return {256, 2368, 0, 2048, 2304};
    case Packing::q5_k:
      return {256, 2880, 2048, 2560, 2816};
    case Packing::q6_k:
      return {256, 3360, 2048, 3072, 3328};
  }
  return {};
}

/// A matrix on the device.
struct PackedMatrix {
  const uint8_t* data = nullptr;
  int32_t rows = 0;   ///< n: outputs
  int32_t cols = 0;   ///< k: inputs
  int32_t units = 0;  ///< records of a strip
  Packing packing = Packing::f32;
  OWL3_BOTH constexpr int32_t strips() const { return (rows + strip_rows - 1) / strip_rows; }
};

}  // namespace owl3::cuda
