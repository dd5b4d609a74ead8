// The matrix kernels, written once: compiled by linear_<isa>.cpp in that instruction set's namespace (lanes/lanes.h
// says why). What differs are Lanes and the exact int8 dot products of a block (int8/<isa>.h).
#pragma once
#include "cpu/lanes/lanes.h"
#include "cpu/linear_kernels.h"
#if defined(OWL3_LANES_AVX512)
#include "cpu/int8/avx512.h"
#elif defined(OWL3_LANES_AVX2)
#include "cpu/int8/avx2.h"
#elif defined(OWL3_LANES_NEON)
#include "cpu/int8/neon.h"
#else
#include "cpu/int8/scalar.h"
#endif
#include "cpu/linear_unpack.h"

namespace owl3::OWL3_LANES {

inline Lanes absolute(Lanes x) {
  return max(x, splat(0) - x);
}

// ---- Rows before a product ----

/// p[0, n) and zeros behind it, n <= 16.
inline Lanes load_some(const float* p, int64_t n) {
  if (n >= 16) return load(p);
  float tmp[16] = {};
  for (int64_t i = 0; i < n; ++i) tmp[i] = p[i];
  return load(tmp);
}
inline void store_some(float* p, Lanes x, int64_t n) {
  if (n >= 16) return store(p, x);
  float tmp[16];
  store(tmp, x);
  for (int64_t i = 0; i < n; ++i) p[i] = tmp[i];
}

inline void norm_row(const Norm& norm, const float* x, float* y, int64_t k, int64_t padded) {
  Lanes shift = splat(0), scale = splat(1);
  if (norm.kind != NormKind::none) {
    if (norm.kind == NormKind::layer) {
      Lanes total = splat(0);
      for (int64_t i = 0; i < k; i += 16) total = total + load_some(x + i, k - i);
      shift = splat(sum(total) / static_cast<float>(k));
    }
    Lanes squares = splat(0);
    for (int64_t i = 0; i < k; i += 16) {
      Lanes d = load_some(x + i, k - i) - shift;
      if (k - i < 16) d = first(d, 0, static_cast<int>(k - i));
      squares = fma(d, d, squares);
    }
    scale = splat(1.0f / __builtin_sqrtf(sum(squares) / static_cast<float>(k) + norm.eps));
  }
  for (int64_t i = 0; i < padded; i += 16) {
    Lanes v = splat(0);
    if (i < k) {
      v = load_some(x + i, k - i);
      if (norm.kind != NormKind::none) {
        v = (v - shift) * scale * load_some(norm.weight + i, k - i);
        if (norm.bias) v = v + load_some(norm.bias + i, k - i);
      }
    }
    store(y + i, v);
  }
}

inline void to_int8(const float* x, int64_t padded, const IntRows& rows, int64_t row) {
  int8_t* q = rows.q + row * rows.padded;
  for (int64_t b = 0; b < rows.padded / 32; ++b, q += 32) {
    const int64_t at = row * (rows.padded / 32) + b;
    int32_t* sums = rows.sum + 2 * at;
    if (32 * b >= padded) {
      __builtin_memset(q, 0, 32);
      rows.scale[at] = rows.negsum[at] = 0;
      sums[0] = sums[1] = 0;
      continue;
    }
    const Lanes x0 = load(x + 32 * b), x1 = load(x + 32 * b + 16);
    const float most = largest(max(absolute(x0), absolute(x1)));
    // Below 1e-30 the reciprocal would overflow; nothing that small is told from zero.
    const Lanes inverse = splat(most > 1e-30f ? 127.0f / most : 0.0f);
    float rounded[32];
    store(rounded, round_even(x0 * inverse));
    store(rounded + 16, round_even(x1 * inverse));
    for (int half = 0; half < 2; ++half) {
      int32_t total = 0;
      for (int i = 16 * half; i < 16 * half + 16; ++i) {
        const int32_t v = static_cast<int32_t>(rounded[i]);
        q[i] = static_cast<int8_t>(v);
        total += v;
      }
      sums[half] = total;
    }
    rows.scale[at] = most > 1e-30f ? most / 127.0f : 0.0f;
    rows.negsum[at] = -(rows.scale[at] * static_cast<float>(sums[0] + sums[1]));
  }
}

// ---- int8 ----

template <int R, int Groups, bool Mins>
inline void int8_tile(const Chunk& c, const IntRows& x, int64_t row, int64_t block, const int32_t* start, float* acc) {
  constexpr int ldstart = 8 * Groups;
  const int64_t blocks_a_row = x.padded / 32;
  const int8_t* q = x.q + row * x.padded + 32 * block;
  const float* scale = x.scale + row * blocks_a_row + block;
  const float* negsum = x.negsum + row * blocks_a_row + block;
  Lanes a[R];
  for (int r = 0; r < R; ++r) a[r] = load(acc + 16 * r);
  for (int b = 0; b < c.blocks; ++b) {
    Lanes s[Groups], min = splat(0);
    for (int g = 0; g < Groups; ++g) s[g] = load(c.scale + 16 * (Groups * b + g));
    if constexpr (Mins) min = load(c.min + 16 * b);
    dot_block<R, Groups>(c.q[b], q + 32 * b, x.padded, start + Groups * b, ldstart, [&](int r, int g, Lanes dot) {
      a[r] = fma(dot, s[g] * splat(scale[r * blocks_a_row + b]), a[r]);
      if constexpr (Mins) a[r] = fma(min, splat(negsum[r * blocks_a_row + b]), a[r]);
    });
  }
  for (int r = 0; r < R; ++r) store(acc + 16 * r, a[r]);
}

/// What vpdpbusd starts from: the weights' offset taken off again. start [rows, 8 * Groups].
template <int Groups>
inline void offset_starts(const IntRows& x, int64_t row, int64_t rows, int64_t block, int32_t offset, int32_t* start) {
  for (int64_t r = 0; r < rows; ++r, start += 8 * Groups) {
    const int32_t* sums = x.sum + ((row + r) * (x.padded / 32) + block) * 2;
    for (int i = 0; i < 8 * Groups; ++i) start[i] = -offset * (Groups == 2 ? sums[i] : sums[2 * i] + sums[2 * i + 1]);
  }
}

template <int R, int Groups, bool Mins>
inline void int8_tiles(const Chunk& c, const IntRows& x, int64_t row, int64_t rows, int64_t block, const int32_t* start,
                       float* acc) {
  int64_t r = 0;
  for (; r + R <= rows; r += R) int8_tile<R, Groups, Mins>(c, x, row + r, block, start + r * 8 * Groups, acc + 16 * r);
  if constexpr (R > 1) {
    if (r < rows) int8_tiles<R / 2, Groups, Mins>(c, x, row + r, rows - r, block, start + r * 8 * Groups, acc + 16 * r);
  }
}

struct Int8Scratch {
  uint8_t* q;      // [8 blocks, 512]
  float* scale;    // [16, 16]
  float* min;      // [8, 16]
  int32_t* start;  // [rows, 16]
};
inline Int8Scratch carve_int8(void* scratch) {
  auto* p = static_cast<uint8_t*>(scratch);
  return {p, reinterpret_cast<float*>(p + 4096), reinterpret_cast<float*>(p + 5120),
          reinterpret_cast<int32_t*>(p + 5632)};
}

template <int Groups, bool Mins>
inline void int8_panels(const Packed& w, int64_t panel, int32_t panels, const IntRows& x, int64_t row, int64_t rows,
                        float* acc, void* scratch) {
  const Int8Scratch s = carve_int8(scratch);
  const int64_t ldacc = linear_kernels::sums_stride(rows);
  for (int64_t i = 0; i < ldacc * panels; ++i) acc[i] = 0;
  const int32_t offset = unsigned_weights ? layout_of(w.type).offset : 0;
  // Few rows: one panel after the other, as memory has them. Many: a chunk of the rows stays in L1 for all panels.
  const int32_t at_once = rows <= 8 ? 1 : panels;
  for (int32_t p0 = 0; p0 < panels; p0 += at_once) {
    for (int64_t k = 0; k < w.padded_cols; k += linear_kernels::chunk) {
      offset_starts<Groups>(x, row, rows, k / 32, offset, s.start);
      for (int32_t p = p0; p < p0 + at_once; ++p) {
        const Chunk c = unpack_int8<unsigned_weights>(w, panel + p, k, s.q, s.scale, s.min);
        int8_tiles<int8_rows, Groups, Mins>(c, x, row, rows, k / 32, s.start, acc + ldacc * p);
      }
    }
  }
}

inline void int8_all(const Packed& w, int64_t panel, int32_t panels, const IntRows& x, int64_t row, int64_t rows,
                     float* acc, void* scratch) {
  const Layout l = layout_of(w.type);
  if (l.group == 16) return int8_panels<2, false>(w, panel, panels, x, row, rows, acc, scratch);
  if (l.mins) return int8_panels<1, true>(w, panel, panels, x, row, rows, acc, scratch);
  int8_panels<1, false>(w, panel, panels, x, row, rows, acc, scratch);
}

// ---- float ----

/// R rows times P panels; panels' weights are ldw floats apart, their sums ldacc.
template <int R, int P>
inline void float_tile(const float* w, int64_t ldw, const float* x, int64_t ldx, int64_t n, float* acc, int64_t ldacc) {
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
inline void float_panels(const float* w, int64_t ldw, int32_t panels, const float* x, int64_t ldx, int64_t n,
                         float* acc, int64_t ldacc) {
  int32_t p = 0;
  for (; panels - p >= P && (P < 3 || panels - p != P + 1); p += P)
    float_tile<R, P>(w + p * ldw, ldw, x, ldx, n, acc + p * ldacc, ldacc);
  if constexpr (P > 2) {  // four are two times two
    for (; panels - p >= 2; p += 2) float_tile<R, 2>(w + p * ldw, ldw, x, ldx, n, acc + p * ldacc, ldacc);
  }
  for (; p < panels; ++p) float_tile<R, 1>(w + p * ldw, ldw, x, ldx, n, acc + p * ldacc, ldacc);
}

inline void float_all(const Packed& w, int64_t panel, int32_t panels, const FloatRows& x, int64_t row, int64_t rows,
                      float* acc, void* scratch) {
  auto* unpacked = static_cast<float*>(scratch);
  constexpr int64_t ldw = linear_kernels::chunk * 16;
  const int64_t ldacc = linear_kernels::sums_stride(rows);
  for (int64_t i = 0; i < ldacc * panels; ++i) acc[i] = 0;
  for (int64_t k = 0; k < x.padded; k += linear_kernels::chunk) {  // weights may be padded further
    const int64_t left = x.padded - k, n = left < linear_kernels::chunk ? left : linear_kernels::chunk;
    for (int32_t p = 0; p < panels; ++p) unpack_float(w, panel + p, k, n, unpacked + p * ldw);
    const float* in = x.x + row * x.padded + k;
    int64_t r = 0;
    for (; r + product_rows <= rows; r += product_rows) {
      float_panels<product_rows, product_groups>(unpacked, ldw, panels, in + r * x.padded, x.padded, n, acc + 16 * r,
                                                 ldacc);
    }
    for (; r + 2 <= rows; r += 2)
      float_panels<2, 2>(unpacked, ldw, panels, in + r * x.padded, x.padded, n, acc + 16 * r, ldacc);
    if (r < rows) float_panels<1, 4>(unpacked, ldw, panels, in + r * x.padded, x.padded, n, acc + 16 * r, ldacc);
  }
}

// ---- after a product ----

/// 1 / (1 + e^-x); relative error below 3e-7.
inline Lanes sigmoid(Lanes x) {
  const Lanes e = exp2_lanes(absolute(x) * splat(-1.44269504f));
  return choose(x, splat(1), e) / (splat(1) + e);
}
/// x (1 + tanh(u)) / 2 = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3).
inline Lanes gelu_tanh(Lanes x) {
  const Lanes u2 = x * fma(x * x, splat(2 * 0.7978845608f * 0.044715f), splat(2 * 0.7978845608f));
  return x * sigmoid(u2);
}
/// x (1 + erf(x / sqrt 2)) / 2 with Abramowitz and Stegun 7.1.26: absolute error of erfc below 1.5e-7, and none by
/// cancellation.
inline Lanes gelu_erf(Lanes x) {
  const Lanes z = absolute(x) * splat(0.70710678118f), t = splat(1) / fma(z, splat(0.3275911f), splat(1));
  Lanes p = splat(1.061405429f);
  p = fma(p, t, splat(-1.453152027f));
  p = fma(p, t, splat(1.421413741f));
  p = fma(p, t, splat(-0.284496736f));
  p = fma(p, t, splat(0.254829592f));
  const Lanes half = splat(0.5f) * x * p * t * exp2_lanes(z * z * splat(-1.44269504f));  // x erfc(|x| / sqrt 2) / 2
  return choose(x, x - half, half);
}

inline void epilogue(const Epilogue& e) {
  const Lanes bias = e.bias ? load_some(e.bias, e.n) : splat(0);
  for (int64_t i = 0; i < e.rows; ++i) {
    Lanes v = load(e.acc + 16 * i);
    if (e.gate) {
      const Lanes g = load(e.gate + 16 * i);
      v = g * sigmoid(g) * v;
    }
    if (e.bias) v = v + bias;
    if (e.activation == Activation::gelu_tanh) v = gelu_tanh(v);
    if (e.activation == Activation::gelu_erf) v = gelu_erf(v);
    const int64_t row = e.row + i;
    if (e.residual) v = v + load_some(e.residual + (e.residual_rows ? row % e.residual_rows : row) * e.ldy, e.n);
    store_some(e.y + row * e.ldy, v, e.n);
  }
}

}  // namespace owl3::OWL3_LANES
