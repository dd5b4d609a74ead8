// GEMV of float weights: the products of few rows.
#include "cpu/gemm/formats.h"
#include "cpu/gemm/kernels.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

using namespace gemm;

/// R rows times P panels that are `ldw` bytes apart, n columns (a multiple of two).
template <DType T, int R, int P>
inline void f32_records(const uint8_t* w, int64_t ldw, const float* x, int64_t ldx, int64_t n, float* acc,
                        int64_t ldacc) {
  constexpr int64_t pair = Record<T>::layout().bytes / 16;  // bytes of two columns
  Lanes a[R][P];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) a[r][p] = load(acc + p * ldacc + 16 * r);
  }
  for (int64_t k = 0; k < n; k += 2, w += pair) {
    Lanes even[P], odd[P];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      const uint8_t* at = w + p * ldw;
      if constexpr (T == DType::bf16) load_bf16(at, even[p], odd[p]);
      if constexpr (T == DType::f16) {
        even[p] = load_f16(reinterpret_cast<const uint16_t*>(at));
        odd[p] = load_f16(reinterpret_cast<const uint16_t*>(at + 32));
      }
      if constexpr (T == DType::f32) {
        even[p] = load(reinterpret_cast<const float*>(at));
        odd[p] = load(reinterpret_cast<const float*>(at + 64));
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const Lanes x0 = splat(x[r * ldx + k]), x1 = splat(x[r * ldx + k + 1]);
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) a[r][p] = fma(x1, odd[p], fma(x0, even[p], a[r][p]));
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) store(acc + p * ldacc + 16 * r, a[r][p]);
  }
}

/// Takes one to four of the `panels` panels that are left; returns their number.
template <DType T, int R>
inline int32_t f32_panels(int32_t panels, const uint8_t* w, int64_t ldw, const float* x, int64_t ldx, int64_t n,
                          float* acc, int64_t ldacc) {
  if (panels >= 4) {
    f32_records<T, R, 4>(w, ldw, x, ldx, n, acc, ldacc);
    return 4;
  }
  if (panels >= 2) {
    f32_records<T, R, 2>(w, ldw, x, ldx, n, acc, ldacc);
    return 2;
  }
  f32_records<T, R, 1>(w, ldw, x, ldx, n, acc, ldacc);
  return 1;
}

template <DType T>
inline void f32_type(const Packed& w, int64_t panel, int32_t panels, const F32Rows& x, int64_t row, int64_t rows,
                     float* acc) {
  constexpr int64_t column = Record<T>::layout().bytes / Record<T>::layout().step;  // bytes
  const int64_t ldacc = sums_stride(rows);
  for (int32_t p = 0; p < panels; ++p) {
    for (int64_t i = 0; i < 16 * rows; ++i) acc[ldacc * p + i] = 0;
  }
  const int64_t step = rows <= gemv_tile_rows ? x.padded : 128;
  // A sum is one chain of products: several panels at once hide its latency.
  for (int32_t p = 0; p < panels;) {
    int32_t taken = 1;
    for (int64_t k = 0; k < x.padded; k += step) {
      const int64_t n = x.padded - k < step ? x.padded - k : step;
      const uint8_t* from = panel_at(w, panel + p) + k * column;
      for (int64_t r = 0; r < rows;) {
        const float* in = x.x + (row + r) * x.padded + k;
        float* to = acc + ldacc * p + 16 * r;
        if (gemv_tile_rows >= 4 && rows - r >= 4) {
          taken = f32_panels<T, gemv_tile_rows>(panels - p, from, w.panel_bytes, in, x.padded, n, to, ldacc);
          r += gemv_tile_rows;
        } else if (rows - r >= 2) {
          taken = f32_panels<T, 2>(panels - p, from, w.panel_bytes, in, x.padded, n, to, ldacc);
          r += 2;
        } else {
          taken = f32_panels<T, 1>(panels - p, from, w.panel_bytes, in, x.padded, n, to, ldacc);
          r += 1;
        }
      }
    }
    p += taken;
  }
}

inline void f32_gemv(const Packed& w, int64_t panel, int32_t panels, const F32Rows& x, int64_t row, int64_t rows,
                     float* acc, void*) {
  if (w.type == DType::f32) f32_type<DType::f32>(w, panel, panels, x, row, rows, acc);
  if (w.type == DType::f16) f32_type<DType::f16>(w, panel, panels, x, row, rows, acc);
  if (w.type == DType::bf16) f32_type<DType::bf16>(w, panel, panels, x, row, rows, acc);
}

}  // namespace

extern const gemm::Multiply<gemm::F32Rows> gemv_f32;
const gemm::Multiply<gemm::F32Rows> gemv_f32 = f32_gemv;

}  // namespace owl3::cpu::OWL3_ISA
