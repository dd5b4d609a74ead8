// Kernels of the matrix products: the interface between gemm.cpp (loops over tiles and threads) and the kernels.
//
// Every kernel works on panels of 16 outputs (packed.h) and some rows, and adds up a row's products in the order of k,
// however many rows there are: that is what makes results independent of batches and chunks.
//
//   int8    Activations are blocks of 32 with a scale: the least of a grid (rows.h) that is not below amax / 127. A
//           block's products are summed exactly in int32, then
//               acc = fma(float(sum), weight scale * activation scale, acc)
//           and where weights have minima
//               acc = fma(min, -(activation scale * sum of q), acc).
//           Q6_K has two sums and scales in a block. Times Q8_0, what rounding took from outlying blocks (Residuals) is
//           added likewise after all blocks.
//   pairs   Activations are int16, 256 columns with a scale of amax / 32767: AVX2 multiplies Q8_0 as fast with these as
//           with int8, and they lose nothing to speak of. A block of 32 columns is summed exactly in int32, then
//               part = fma(float(sum), weight scale, part)
//           and every 256 columns
//               acc = fma(part, activation scale, acc).
//   f32     acc = fma(x, w, acc), one k after the other.
//   int16   As int8, with blocks of 64 columns, float weights too (kernels_int16.cpp). Precision::fast.
//   bf16    Float sums of bfloat16 products. Float weights: activations and weights as sums of two bfloat16 (16 bits;
//           BF16 weights are one), all products but that of both low parts. Quantised weights (bulk use): both rounded
//           to one bfloat16.
//
// GEMV kernels compute the same, to the bit, for few rows (decoding a token or a few): weights go from packed records to
// registers to products, and cost one read of memory for all rows.
#pragma once
#include "cpu/gemm/packed.h"
#include "ops/backend.h"

namespace owl3::cpu::gemm {

/// The residuals of int8 rows: second int8 blocks of what rounding took from some of the first, with residual_step times
/// their scale. Trained models have a few channels a hundred times as large as the others, and without residuals all 32
/// values of such a channel's block would be as coarse. Only Q8_0 takes them: other formats lose more by themselves.
struct Residuals {
  bool everywhere;   ///< all blocks have one, not only those that stand out (rows.h)
  int8_t* q;         ///< [rows, padded], where there is one; null: none are wanted
  int32_t* sum;      ///< [rows, padded / 32], likewise: sums of q
  uint32_t* found;   ///< [rows, padded / 32]: keys of a row's, rising
  int32_t* count;    ///< [rows]: how many
  uint32_t* order;   ///< [rows, padded / 32]: keys of all rows of a call by block, from the call's first row on
  int32_t* ordered;  ///< [rows]: how many, at the call's first row
  int32_t* starts;   ///< [padded / 32]: for sorting
};
constexpr float residual_step = 1 / 254.0f;  ///< half a step is the most that is left of a value
static constexpr uint32_t residual_key(int64_t block, int64_t row) {
  return static_cast<uint32_t>(block << 18 | row);
}
static constexpr int64_t residual_block(uint32_t key) {
  return key >> 18;
}
static constexpr int64_t residual_row(uint32_t key) {
  return key & ((1u << 18) - 1);
}

/// Activations as int8 blocks; the padding beyond k is zeros.
struct Int8Rows {
  int8_t* q;       ///< [rows, padded]
  float* scale;    ///< [rows, padded / 32]
  float* negsum;   ///< [rows, padded / 32]: -(scale * sum of q)
  int32_t* sum;    ///< [rows, padded / 16]: sums of q over 16
  int64_t padded;  ///< multiple of 256
  Residuals residuals;
};
/// Activations as int16; the padding beyond k is zeros. Of every four columns the second and the third change places: so
/// do quads of weights (packed.h) when each byte becomes one of 16 bits where it stands.
struct PairRows {
  int16_t* q;      ///< [rows, padded]
  float* scale;    ///< [rows, padded / 256]
  int64_t padded;  ///< multiple of 256
};
struct F32Rows {
  float* x;        ///< [rows, padded]
  int64_t padded;  ///< multiple of 32
};
/// Activations as two bfloat16 that add up to them (up to 2^-17); `low` may be null. In tiles of 16 rows and 32
/// columns: [rows / 16][padded / 32][16][32]; the last tiles' missing rows hold anything.
struct Bf16Rows {
  uint16_t* high;
  uint16_t* low;
  int64_t padded;  ///< multiple of 32
};
/// Activations as int16 blocks; the padding beyond k is zeros.
struct Int16Rows {
  int16_t* q;      ///< [rows, padded]
  float* scale;    ///< [rows, padded / 64]
  int64_t padded;  ///< multiple of 64
};

/// The sizes of calls that suit a kernel.
struct Blocking {
  int32_t max_panels;   ///< in a call
  int32_t tile_panels;  ///< share the registers: calls of a multiple are best
  int32_t max_rows;     ///< in a call
};
// Weights are unpacked for each call, so it should have many rows. int8: 256 rows of 256 columns are 64 KiB of L2.
constexpr Blocking int8_blocking{.max_panels = 8, .tile_panels = 2, .max_rows = 256};
constexpr Blocking pairs_blocking{.max_panels = 8, .tile_panels = 1, .max_rows = 256};
constexpr Blocking f32_blocking{.max_panels = 4, .tile_panels = 3, .max_rows = 768};
constexpr Blocking bf16_blocking{.max_panels = 16, .tile_panels = 2, .max_rows = 768};
constexpr Blocking int16_blocking{.max_panels = 6, .tile_panels = 3, .max_rows = 768};

constexpr int64_t max_gemv_rows = 12;
constexpr int32_t int16_block = 64;            ///< columns that share a scale
constexpr int32_t chunk = 256;                 ///< columns unpacked at a time: a panel's share and its rows' stay in L1
constexpr int64_t scratch_bytes = 128 * 1024;  ///< memory of a kernel call

/// Floats from one panel's sums to the next: whole tiles of rows.
static constexpr int64_t sums_stride(int64_t rows) {
  return (rows + 15) / 16 * 256;
}

/// acc [panel][rows, 16] = products of rows [row, row + rows) with panels [panel, panel + panels). `scratch` has
/// scratch_bytes.
template <class Rows>
using Multiply = void (*)(const Packed& w, int64_t panel, int32_t panels, const Rows& x, int64_t row, int64_t rows,
                          float* acc, void* scratch);

/// A product and the form of the activations that it takes.
template <class Rows>
struct Product {
  /// x [padded] (a multiple of 32) as row `row`; entries up to rows.padded become zeros.
  void (*convert)(const float* x, int64_t padded, const Rows& rows, int64_t row);
  Multiply<Rows> multiply;
};

/// The outputs of some panels, from their sums.
struct Epilogue {
  const float* acc;      ///< [panel][rows, 16]
  const float* gate;     ///< like acc, or null
  int64_t panel_stride;  ///< floats from one panel's sums to the next
  const float* bias;     ///< starts at these outputs; or null
  const float* residual;
  int64_t residual_rows;  ///< see LinearOutput
  float* y;               ///< starts at these outputs
  int64_t ldy, row, rows;
  int64_t n;  ///< outputs that exist: the last panel may have fewer than 16
  ops::Activation activation;
};

/// The products of at most max_gemv_rows rows with quantised weights (int8 or pairs), and with F32, F16, BF16 ones (f32).
struct Gemv {
  Multiply<Int8Rows> int8;
  Multiply<PairRows> pairs;
  Multiply<F32Rows> f32;
};
/// GEMV kernels prefetch the beginnings of pages, which no processor does itself, or every line. The better one depends
/// on the processor, not on the instruction set.
enum class Fetch : uint8_t { pages, lines };
template <class Rows>
struct ByFetch {
  Multiply<Rows> pages, lines;
};

struct Kernels {
  /// x [k] -> y [padded, a multiple of 16], normalised, zeros behind k.
  void (*norm)(const ops::Norm& norm, const float* x, float* y, int64_t k, int64_t padded);
  void (*epilogue)(const Epilogue& e);
  Product<Int8Rows> int8;
  Multiply<Int8Rows> int8_residuals;  ///< adds them to acc
  Product<PairRows> pairs;            ///< for Q8_0, instead of int8; or null
  Multiply<F32Rows> f32;
  Product<Bf16Rows> bf16;  ///< null where there is nothing faster than f32 and int8
  Product<Int16Rows>
      int16;              ///< for float weights of bulk use under Precision::fast; null where bf16 or f32 takes those
  Gemv gemv;              ///< null where the others serve
  bool unsigned_q8;       ///< how Q8_0 is packed for int8 and gemv
  bool bulk_quants_bf16;  ///< whether quantised weights of bulk use are multiplied by bf16
};

}  // namespace owl3::cpu::gemm
