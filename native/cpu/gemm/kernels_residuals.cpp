// Products of the residuals of int8 rows (kernels.h) with Q8_0, added to the sums of the other kernels: the same for few
// rows and for many, and a row's in the order of its blocks.
#include "cpu/gemm/formats.h"
#include "cpu/gemm/rows.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

constexpr Layout q8_0 = Record<DType::q8_0>::layout();
using Q8 = Kind<1, false, 8>;

/// A block of P panels' weights.
template <int P>
struct Block {
  const uint8_t* q[P];  // [512] in quad order
  Lanes scale[P];
};

/// R residuals of one block times P panels; `keys` say whose they are, acc is of the first panel.
template <int R, int P>
inline void add_some(const Block<P>& w, const Int8Rows& x, const uint32_t* keys, int64_t row, float* acc,
                     int64_t ldacc) {
  alignas(64) int8_t in[R * 32];
  int32_t start[R];
  Lanes a[R][P], step[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const int64_t at = residual_row(keys[r]) * (x.padded / 32) + residual_block(keys[r]);
    __builtin_memcpy(in + 32 * r, x.residuals.q + 32 * at, 32);
    start[r] = unsigned_weights ? -q8_0.offset * x.residuals.sum[at] : 0;
    step[r] = splat(x.scale[at] * residual_step);
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) a[r][p] = load(acc + p * ldacc + 16 * (residual_row(keys[r]) - row));
  }
  dot_block<R, P, Q8>(w.q, in, 32, start, 1,
                      [&](int r, int p, int, Lanes dot) { a[r][p] = fma(dot, w.scale[p] * step[r], a[r][p]); });
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) store(acc + p * ldacc + 16 * (residual_row(keys[r]) - row), a[r][p]);
  }
}

/// The residuals of a block, `count` of them, times P panels from `panel` on.
template <int P>
inline void add_block(const Packed& w, int64_t panel, const Int8Rows& x, const uint32_t* keys, int64_t count,
                      int64_t row, float* acc, int64_t ldacc) {
  const int64_t block = residual_block(keys[0]);
  Block<P> b;
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p) {
    const uint8_t* record = panel_at(w, panel + p) + block / 2 * q8_0.bytes;
    b.q[p] = record + q8_0.low_at + block % 2 * q8_0.low_block;
    b.scale[p] = load_f16(reinterpret_cast<const uint16_t*>(record + block % 2 * 2 * panel_rows));
  }
  int64_t r = 0;
  for (; r + 4 <= count; r += 4) add_some<4, P>(b, x, keys + r, row, acc, ldacc);
  for (; r + 2 <= count; r += 2) add_some<2, P>(b, x, keys + r, row, acc, ldacc);
  if (r < count) add_some<1, P>(b, x, keys + r, row, acc, ldacc);
}

inline void int8_residuals(const Packed& w, int64_t panel, int32_t panels, const Int8Rows& x, int64_t row, int64_t rows,
                           float* acc, void*) {
  const uint32_t* keys = x.residuals.order + row * (x.padded / 32);
  const int64_t ldacc = sums_stride(rows), all = x.residuals.ordered[row];
  for (int64_t i = 0, count = 1; i < all; i += count, count = 1) {
    while (i + count < all && residual_block(keys[i + count]) == residual_block(keys[i])) ++count;
    int32_t p = 0;
    for (; p + int8_tile_panels <= panels; p += int8_tile_panels)
      add_block<int8_tile_panels>(w, panel + p, x, keys + i, count, row, acc + p * ldacc, ldacc);
    for (; p < panels; ++p) add_block<1>(w, panel + p, x, keys + i, count, row, acc + p * ldacc, ldacc);
  }
}

}  // namespace

extern const gemm::Multiply<gemm::Int8Rows> gemm_int8_residuals;
const gemm::Multiply<gemm::Int8Rows> gemm_int8_residuals = int8_residuals;

}  // namespace owl3::cpu::OWL3_ISA
