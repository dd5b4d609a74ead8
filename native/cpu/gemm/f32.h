// Products of float activations with weights of any format, for many rows.
#pragma once
#include "cpu/gemm/kernels.h"
#include "cpu/gemm/unpack.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

/// R rows times P panels; panels' weights are ldw floats apart, their sums ldacc.
template <int R, int P>
inline void f32_tile(const float* w, int64_t ldw, const float* x, int64_t ldx, int64_t n, float* acc, int64_t ldacc) {
  Lanes a[R][P];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) a[r][p] = load(acc + p * ldacc + 16 * r);
  }
  for (int64_t k = 0; k < n; ++k) {
    Lanes b[P];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) b[p] = load(w + p * ldw + 16 * k);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Lanes v = splat(x[r * ldx + k]);
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) a[r][p] = fma(v, b[p], a[r][p]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) store(acc + p * ldacc + 16 * r, a[r][p]);
  }
}

template <int R, int P>
inline void f32_panels(const float* w, int64_t ldw, int32_t panels, const float* x, int64_t ldx, int64_t n, float* acc,
                       int64_t ldacc) {
  int32_t p = 0;
  for (; panels - p >= P && (P < 3 || panels - p != P + 1); p += P)
    f32_tile<R, P>(w + p * ldw, ldw, x, ldx, n, acc + p * ldacc, ldacc);
  if constexpr (P > 2) {  // four are two times two
    for (; panels - p >= 2; p += 2) f32_tile<R, 2>(w + p * ldw, ldw, x, ldx, n, acc + p * ldacc, ldacc);
  }
  for (; p < panels; ++p) f32_tile<R, 1>(w + p * ldw, ldw, x, ldx, n, acc + p * ldacc, ldacc);
}

inline void f32_all(const Packed& w, int64_t panel, int32_t panels, const F32Rows& x, int64_t row, int64_t rows,
                    float* acc, void* scratch) {
  auto* unpacked = static_cast<float*>(scratch);
  constexpr int64_t ldw = chunk * 16;
  const int64_t ldacc = sums_stride(rows);
  for (int64_t i = 0; i < ldacc * panels; ++i) acc[i] = 0;
  for (int64_t k = 0; k < x.padded; k += chunk) {  // weights may be padded further
    const int64_t left = x.padded - k, n = left < chunk ? left : chunk;
    for (int32_t p = 0; p < panels; ++p) unpack_float(w, panel + p, k, n, unpacked + p * ldw);
    const float* in = x.x + row * x.padded + k;
    int64_t r = 0;
    for (; r + gemm_tile_rows <= rows; r += gemm_tile_rows) {
      f32_panels<gemm_tile_rows, gemm_tile_panels>(unpacked, ldw, panels, in + r * x.padded, x.padded, n, acc + 16 * r,
                                                   ldacc);
    }
    for (; r + 2 <= rows; r += 2)
      f32_panels<2, 2>(unpacked, ldw, panels, in + r * x.padded, x.padded, n, acc + 16 * r, ldacc);
    if (r < rows) f32_panels<1, 4>(unpacked, ldw, panels, in + r * x.padded, x.padded, n, acc + 16 * r, ldacc);
  }
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
