// Weights as the matrix kernels read them: panels of 16 rows (outputs), each a run of records that hold a step of 32,
// 64 or 256 columns. Quantised weights keep their bits. Rows and columns are padded with zeros to whole panels and
// records.
//
// Inside a record, the 32 x 16 values of a block stand at (k / 4) * 64 + row * 4 + k % 4 ("the quad order"): 64 bytes
// are four columns of all rows, which is one operand of vpdpbusd or sdot, and eight of them are half an AMX tile.
// Narrow values are cut in planes: with v the block's 512 values in quad order, byte j of a 4-bit plane holds v[j] |
// v[j + 256] << 4, byte j of a 2-bit plane v[j], v[j + 128], v[j + 256], v[j + 384] from its low bits up, byte j of a
// 1-bit plane v[j + 64 * bit]. Floats: F32 and F16 [k][16], BF16 [k / 2][16][2] (an AMX tile).
//
//   Q8_0       scales f16 [2][16] | q [2][512]                          value: scale * q
//   Q4_0 Q5_0  scales f16 [2][16] | 4-bit [2][256] | 1-bit [2][64]      scale * (q - 8), (q - 16)
//   Q4_K Q5_K  d, dmin f16 [16] | scale u8 [8][16] | min u8 [8][16] | 4-bit [8][256] | 1-bit [8][64]   d scale q - dmin
//   min Q6_K       d f16 [16] | 32 bytes unused | scale i8 [16][16] | 4-bit [8][256] | 2-bit [8][128]      d scale (q -
//   32)
//
// `static`: included by files of every instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

#include "gguf/quant.h"

namespace owl3 {

constexpr int32_t panel_rows = 16;

struct Layout {
  int32_t step;    ///< columns a record
  int32_t record;  ///< bytes a record, a multiple of 64
  int32_t group;   ///< columns that share a scale: 32 or 16; 0: floats
  int32_t offset;  ///< of the unsigned value that is stored
  bool mins;
};

static constexpr Layout layout_of(DType type) {
  switch (type) {
    case DType::f32:
      return {32, 2048, 0, 0, false};
    case DType::f16:
    case DType::bf16:
      return {32, 1024, 0, 0, false};
    case DType::q8_0:
      return {64, 1088, 32, 128, false};
    case DType::q4_0:
      return {64, 576, 32, 8, false};
    case DType::q5_0:
      return {64, 704, 32, 16, false};
    case DType::q4_k:
      return {256, 2368, 32, 0, true};
    case DType::q5_k:
      return {256, 2880, 32, 0, true};
    case DType::q6_k:
      return {256, 3392, 16, 32, false};
  }
  return {};
}

// Offsets in a record, in bytes.
constexpr int32_t q_at_32 = 64;      // Q8_0, Q4_0, Q5_0
constexpr int32_t high_at_32 = 576;  // Q5_0
constexpr int32_t dmin_at = 32, scale_at = 64, min_at = 192, q_at_k = 320, high_at_k = 2368;

/// A matrix in this form.
struct Packed {
  DType type;
  int64_t rows, cols;
  int64_t padded_cols, panels, panel_bytes;
  bool unsigned_q8;  ///< Q8_0 stored as q + 128
  bool bulk;         ///< MatrixUse::bulk
  const uint8_t* data;
  const uint8_t* panel(int64_t i) const { return data + i * panel_bytes; }
};

}  // namespace owl3
