// Weights as the matrix kernels read them: panels of 16 rows (outputs), each a run of records that hold a step of 32,
// 64 or 256 columns. Quantised weights keep their bits. Rows and columns are padded with zeros to whole panels and
// records.
//
// Inside a record, the 32 x 16 values of a block stand at (k / 4) * 64 + row * 4 + k % 4 ("the quad order"): 64 bytes
// are four columns of all rows, which is one operand of vpdpbusd or sdot, and eight of them are half an AMX tile.
// Narrow values are cut in planes: with v the block's 512 values in quad order,
//
//   byte j of a 4-bit plane   v[j] | v[j + 256] << 4
//   byte j of a 2-bit plane   v[j], v[j + 128], v[j + 256], v[j + 384] from its low bits up
//   byte j of a 1-bit plane   v[j + 64 * bit]
//
// A record holds, one after the other:
//
//   F32 F16    values [k][16]
//   BF16       values [k / 2][16][2], an AMX tile
//   Q8_0       scales f16 [2][16] | q [2][512]                                           scale * q
//   Q4_0       scales f16 [2][16] | 4-bit [2][256]                                       scale * (q - 8)
//   Q5_0       scales f16 [2][16] | 4-bit [2][256] | 1-bit [2][64]                       scale * (q - 16)
//   Q4_K       d, dmin f16 [16] | scale, min u8 [8][16] | 4-bit [8][256]                 d * scale * q - dmin * min
//   Q5_K       d, dmin f16 [16] | scale, min u8 [8][16] | 4-bit [8][256] | 1-bit [8][64] d * scale * q - dmin * min
//   Q6_K       d f16 [16] | 32 unused | scale i8 [16][16] | 4-bit [8][256] | 2-bit [8][128]   d * scale * (q - 32)
//
// formats.h derives the offsets of each format.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ops/tensor.h"

namespace owl3::cpu::gemm {

constexpr int32_t panel_rows = 16;
constexpr int32_t block_columns = 32;  ///< columns that share the scale of an activation

/// How the record of a format is laid out. Sizes and offsets are in bytes; blocks of one record stand one behind the
/// other in each plane.
struct Layout {
  int32_t step = 0;                               ///< columns in a record
  int32_t bytes = 0;                              ///< size of a record, a multiple of 64
  bool quantised = false;                         ///< if false, the rest means nothing
  int32_t group = 0;                              ///< columns that share a scale: 32 or 16
  int32_t offset = 0;                             ///< stored values are unsigned: the true ones plus this
  bool mins = false;                              ///< whether a group has a minimum, too
  int32_t low_bits = 0;                           ///< width of the low plane: 8 or 4
  int32_t high_bits = 0;                          ///< width of the high plane: 0, 1 or 2
  int32_t dmin_at = 0, scale_at = 0, min_at = 0;  ///< where formats with steps of 256 have them
  int32_t low_at = 0, low_block = 0;              ///< the low plane, and its bytes for a block
  int32_t high_at = 0, high_block = 0;            ///< the high plane, and its bytes for a block
};

/// A matrix in this form.
struct Packed {
  DType type;
  int64_t rows, cols;
  int64_t padded_cols, panels, panel_bytes;
  bool unsigned_q8;  ///< Q8_0 stored as q + 128
  ops::MatrixUse use;
  const uint8_t* data;
};

/// The first record of a panel. `static`: each instruction set's kernels have their own copy (simd/simd.h).
static inline const uint8_t* panel_at(const Packed& w, int64_t panel) {
  return w.data + panel * w.panel_bytes;
}

}  // namespace owl3::cpu::gemm
