// Kernels of the matrix products: what linear.cpp (loops over tiles and threads) and each instruction set agree on.
//
// Every kernel works on one panel of 16 outputs (packed.h) and some rows, and adds up a row's products in the order of
// k, however many rows there are: that is what makes results independent of batches and chunks.
//   int8: activations in blocks of 32 with a scale (the least of a grid, linear_body.h, that is not below amax / 127);
//         a block's products are summed exactly in int32, then
//         acc = fma(float(sum), weight scale * activation scale, acc); Q6_K twice a block; mins: acc = fma(min, -(scale
//         * sum of q), acc).
//   f32:  acc = fma(x, w, acc), one k after the other.
//   int16: as int8, float weights too in blocks, of 64 (linear_int16.h). Precision::fast.
//   bf16: float sums of bfloat16 products. Float weights: activations and weights as sums of two bfloat16 (16 bits;
//   BF16 weights are
//         one), all products but the one of both low parts. Quantised weights (bulk use): both rounded to one bfloat16.
#pragma once
#include "base/isa.h"
#include "cpu/packed.h"
#include "ops/backend.h"

namespace owl3 {

/// Activations as int8 blocks; the padding beyond k is zeros.
struct IntRows {
  int8_t* q;       ///< [rows, padded]
  float* scale;    ///< [rows, padded / 32]
  float* negsum;   ///< [rows, padded / 32]: -(scale * sum of q)
  int32_t* sum;    ///< [rows, padded / 16]: sums of q over 16
  int64_t padded;  ///< multiple of 256
};
/// Activations as two bfloat16 that add up to them (up to 2^-17); `low` may be null. In tiles of 16 rows and 32
/// columns: [rows / 16][padded / 32][16][32]; the last tiles' missing rows hold anything.
struct Bf16Rows {
  uint16_t* high;
  uint16_t* low;
  int64_t padded;
};
/// Activations as int16 blocks; the padding beyond k is zeros.
struct ShortRows {
  int16_t* q;      ///< [rows, padded]
  float* scale;    ///< [rows, padded / 64]
  int64_t padded;  ///< multiple of 64
};
struct FloatRows {
  float* x;  ///< [rows, padded]
  int64_t padded;
};

/// What happens to the outputs of some panels. Sums are [panel][rows, 16].
struct Epilogue {
  const float* acc;
  const float* gate;     ///< as acc, or null
  int64_t panel_stride;  ///< floats from one panel's sums to the next
  const float* bias;     ///< of these outputs, or null
  const float* residual;
  int64_t residual_rows;  ///< as LinearOutput
  float* y;               ///< of these outputs
  int64_t ldy, row, rows;
  int64_t n;  ///< outputs that exist; a last panel may be part of one
  ops::Activation activation;
};

namespace linear_kernels {

constexpr int32_t chunk = 256;         ///< columns unpacked at a time: a panel's share and its rows' stay in L1
constexpr int32_t widest_group = 8;    ///< panels of a call
constexpr int32_t widest_bf16 = 16;    ///< of the bf16 kernel
constexpr int32_t widest_f32 = 4;      ///< of the f32 kernel
constexpr int32_t int16_block = 64;    ///< columns that share a scale
constexpr int32_t int8_panels = 2;     ///< panels that the kernels of int8 like to take at once
constexpr int32_t product_panels = 3;  ///< panels that the kernels of f32 and int16 like to take at once
constexpr int32_t widest_int16 = 6;
constexpr int32_t most_int8_rows = 256;   ///< of a call of the int8 kernels
constexpr int32_t most_block_rows = 768;  ///< of the others
/// Worker scratch of a kernel call, in bytes.
constexpr int64_t scratch_bytes = 128 * 1024;

/// Floats from one panel's sums to the next: whole tiles of rows.
static constexpr int64_t sums_stride(int64_t rows) {
  return (rows + 15) / 16 * 256;
}

struct Table {
  bool unsigned_q8;       ///< how Q8_0 is to be packed
  bool bulk_quants_bf16;  ///< whether quantised bulk weights are best multiplied as bfloat16
  /// x [k] -> y [padded, a multiple of 16], normalised, zeros behind k.
  void (*norm)(const ops::Norm& norm, const float* x, float* y, int64_t k, int64_t padded);
  /// y [padded] (a multiple of 32) as row `row`; entries up to rows.padded become zeros.
  void (*to_int8)(const float* x, int64_t padded, const IntRows& rows, int64_t row);
  void (*to_bf16)(const float* x, int64_t padded, const Bf16Rows& rows, int64_t row);
  /// acc [panel][rows, 16] = products of rows [row, row + rows) with panels [panel, panel + panels), panels <=
  /// widest_group, or what the constants above say of the kernel.
  void (*int8)(const Packed& w, int64_t panel, int32_t panels, const IntRows& x, int64_t row, int64_t rows, float* acc,
               void* scratch);
  void (*f32)(const Packed& w, int64_t panel, int32_t panels, const FloatRows& x, int64_t row, int64_t rows, float* acc,
              void* scratch);
  /// null where there is nothing faster than f32 and int8.
  void (*bf16)(const Packed& w, int64_t panel, int32_t panels, const Bf16Rows& x, int64_t row, int64_t rows, float* acc,
               void* scratch);
  void (*epilogue)(const Epilogue& e);
  /// For float weights of bulk use under Precision::fast; null where bf16 takes those or nothing beats f32.
  void (*to_int16)(const float* x, int64_t padded, const ShortRows& rows, int64_t row);
  void (*int16)(const Packed& w, int64_t panel, int32_t panels, const ShortRows& x, int64_t row, int64_t rows,
                float* acc, void* scratch);
};

/// That of an instruction set that is available here.
const Table& table(Isa isa);

}  // namespace linear_kernels
}  // namespace owl3
