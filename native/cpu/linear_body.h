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
  const int64_t blocks = rows.padded / 32;
  int8_t* q = rows.q + row * rows.padded;
  float *scale = rows.scale + row * blocks, *negsum = rows.negsum + row * blocks;
  int32_t* sums = rows.sum + row * blocks * 2;
  for (int64_t b = 0; b < padded / 32; ++b) {
    const Lanes x0 = load(x + 32 * b), x1 = load(x + 32 * b + 16);
    const float most = largest(max(absolute(x0), absolute(x1)));
    // Below 1e-30 the reciprocal would overflow; nothing that small is told from zero.
    const bool zero = !(most > 1e-30f);
    const Lanes inverse = splat(zero ? 0.0f : 127.0f / most);
    round_to_int8(x0 * inverse, x1 * inverse, q + 32 * b, sums + 2 * b);
    scale[b] = zero ? 0.0f : most / 127.0f;
    negsum[b] = -(scale[b] * static_cast<float>(sums[2 * b] + sums[2 * b + 1]));
  }
  for (int64_t b = padded / 32; b < blocks; ++b) {
    __builtin_memset(q + 32 * b, 0, 32);
    scale[b] = negsum[b] = 0;
    sums[2 * b] = sums[2 * b + 1] = 0;
  }
}

// ---- int8 ----

/// Columns of one panel that a tile goes through without storing its sums: a panel's share of them stays in L1 (12 KiB
/// and scales) while the rows pass.
constexpr int columns_at_once = 768;
constexpr int blocks_at_once = columns_at_once / 32;

struct Columns {
  const uint8_t* q[blocks_at_once];  // as Chunk
  const float* scale;
  const float* min;
  int blocks;
};

/// What a row brings to its products in these columns, besides the values: [start | scale | negsum], where `start` is
/// what a block's integer sums start from. A fixed distance from one row to the next saves the registers of many
/// pointers.
template <int Groups, bool Mins>
struct RowTerms {
  int32_t start[blocks_at_once * Groups];
  float scale[blocks_at_once];
  float negsum[Mins ? blocks_at_once : 1];
};

/// Blocks [block, block + blocks) of `rows` rows. Unsigned weights: `start` takes their offset off again.
template <int Groups, bool Mins>
inline void row_terms(const IntRows& x, int64_t row, int64_t rows, int64_t block, int blocks, int32_t offset,
                      RowTerms<Groups, Mins>* terms) {
  for (int64_t r = 0; r < rows; ++r, ++terms) {
    const int64_t at = (row + r) * (x.padded / 32) + block;
    const int32_t* sums = x.sum + 2 * at;
    for (int i = 0; unsigned_weights && i < blocks * Groups; ++i)
      terms->start[i] = -offset * (Groups == 2 ? sums[i] : sums[2 * i] + sums[2 * i + 1]);
    for (int i = 0; i < blocks; ++i) terms->scale[i] = x.scale[at + i];
    for (int i = 0; Mins && i < blocks; ++i) terms->negsum[i] = x.negsum[at + i];
  }
}

template <int R, int Groups, bool Mins>
inline void int8_tile(const Columns& c, const int8_t* q, int64_t ldq, const RowTerms<Groups, Mins>* terms, float* acc) {
  constexpr int64_t ldstart = sizeof(RowTerms<Groups, Mins>) / sizeof(int32_t);
  Lanes a[R];
  for (int r = 0; r < R; ++r) a[r] = load(acc + 16 * r);
  for (int b = 0; b < c.blocks; ++b) {
    Lanes s[Groups], min = splat(0);
    for (int g = 0; g < Groups; ++g) s[g] = load(c.scale + 16 * (Groups * b + g));
    if constexpr (Mins) min = load(c.min + 16 * b);
    dot_block<R, Groups>(c.q[b], q + 32 * b, ldq, terms->start + Groups * b, ldstart, [&](int r, int g, Lanes dot) {
      a[r] = fma(dot, s[g] * splat(terms[r].scale[b]), a[r]);
      if constexpr (Mins) a[r] = fma(min, splat(terms[r].negsum[b]), a[r]);
    });
  }
  for (int r = 0; r < R; ++r) store(acc + 16 * r, a[r]);
}

/// Memory that is wanted soon, fetched bit by bit while there is other work.
struct Ahead {
  const uint8_t *at, *end;
  int64_t step;
  void fetch() {
    const uint8_t* to = end - at < step ? end : at + step;
    for (; at < to; at += 64) __builtin_prefetch(at, 0, 2);
  }
};

template <int R, int Groups, bool Mins>
inline void int8_tiles(const Columns& c, const int8_t* q, int64_t ldq, int64_t rows,
                       const RowTerms<Groups, Mins>* terms, float* acc, Ahead& ahead) {
  int64_t r = 0;
  for (; r + R <= rows; r += R) {
    ahead.fetch();
    int8_tile<R, Groups, Mins>(c, q + r * ldq, ldq, terms + r, acc + 16 * r);
  }
  if constexpr (R > 1) {
    if (r < rows) int8_tiles<R / 2, Groups, Mins>(c, q + r * ldq, ldq, rows - r, terms + r, acc + 16 * r, ahead);
  }
}

struct Int8Scratch {
  uint8_t* q;    // [blocks_at_once, 512]
  float* scale;  // [2 * blocks_at_once, 16]
  float* min;    // [blocks_at_once, 16]
  void* terms;   // [rows] of RowTerms
};
inline Int8Scratch carve_int8(void* scratch) {
  auto* p = static_cast<uint8_t*>(scratch);
  constexpr int64_t scale_at = blocks_at_once * 512, min_at = scale_at + blocks_at_once * 128,
                    terms_at = min_at + blocks_at_once * 64,
                    row = sizeof(RowTerms<1, true>) > sizeof(RowTerms<2, false>) ? sizeof(RowTerms<1, true>)
                                                                                 : sizeof(RowTerms<2, false>);
  static_assert(terms_at + linear_kernels::most_int8_rows * row <= linear_kernels::scratch_bytes);
  return {p, reinterpret_cast<float*>(p + scale_at), reinterpret_cast<float*>(p + min_at), p + terms_at};
}

template <int Groups>
inline Columns unpack_columns(const Packed& w, int64_t panel, int64_t k, int blocks, const Int8Scratch& s) {
  Columns c{{}, s.scale, s.min, blocks};
  for (int b = 0; b < blocks; b += 8) {
    unpack_blocks<unsigned_weights>(w, panel, k + 32 * b, blocks - b < 8 ? blocks - b : 8, s.q + 512 * b,
                                    s.scale + 16 * Groups * b, s.min + 16 * b, c.q + b);
  }
  return c;
}

template <int Groups, bool Mins>
inline void int8_panels(const Packed& w, int64_t panel, int32_t panels, const IntRows& x, int64_t row, int64_t rows,
                        float* acc, void* scratch) {
  const Int8Scratch s = carve_int8(scratch);
  const Layout l = layout_of(w.type);
  const int64_t ldacc = linear_kernels::sums_stride(rows);
  for (int64_t i = 0; i < ldacc * panels; ++i) acc[i] = 0;
  const int32_t offset = unsigned_weights ? l.offset : 0;
  // Few rows: one panel after the other, as memory has them, in short runs of columns, so that memory is read while
  // products are summed; terms of all columns at once where they fit. Many: a run of the rows stays in L2 for all
  // panels.
  const bool few = rows <= 8;
  const int64_t columns = few ? linear_kernels::chunk : columns_at_once;
  const int32_t at_once = few ? 1 : panels;
  const int64_t runs = (w.padded_cols + columns - 1) / columns, tiles = rows / int8_rows + 1;
  const bool keep = few && rows * runs <= linear_kernels::most_int8_rows;
  for (int32_t p0 = 0; p0 < panels; p0 += at_once) {
    for (int64_t run = 0; run < runs; ++run) {
      const int64_t k = run * columns, left = w.padded_cols - k;
      const int blocks = static_cast<int>((left < columns ? left : columns) / 32);
      auto* terms = static_cast<RowTerms<Groups, Mins>*>(s.terms) + (keep ? run * rows : 0);
      if (p0 == 0 || !keep) row_terms(x, row, rows, k / 32, blocks, offset, terms);
      for (int32_t p = p0; p < p0 + at_once; ++p) {
        const Columns c = unpack_columns<Groups>(w, panel + p, k, blocks, s);
        Ahead ahead{};
        if (!few) {  // the next panel's columns, or after the last panel the first one's next columns
          const bool last = p + 1 == panels;
          const int64_t next = last ? k + columns : k, end = next + columns;
          const uint8_t* from = w.panel(last ? panel : panel + p + 1);
          ahead.at = from + next / l.step * l.record;
          ahead.end = from + (end < w.padded_cols ? end : w.padded_cols) / l.step * l.record;
          ahead.step = ((ahead.end - ahead.at) / tiles + 63) / 64 * 64;
        }
        int8_tiles<int8_rows>(c, x.q + row * x.padded + k, x.padded, rows, terms, acc + ldacc * p, ahead);
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

/// Row by row: the outputs of a row are neighbours in memory, those of a panel lie whole rows apart.
inline void epilogue(const Epilogue& e) {
  constexpr int64_t ahead = 4;  // rows fetched before their turn
  for (int64_t i = 0; i < e.rows; ++i) {
    const int64_t row = e.row + i, from = e.residual_rows ? row % e.residual_rows : row;
    float* y = e.y + row * e.ldy;
    const float* residual = e.residual ? e.residual + from * e.ldy : nullptr;
    for (int64_t j = 0; j < e.n; j += 16) {
      const int64_t at = j / 16 * e.panel_stride + 16 * i, n = e.n - j;
      if (i + ahead < e.rows) __builtin_prefetch(y + ahead * e.ldy + j, 1);
      if (residual && from + ahead < e.row + e.rows) __builtin_prefetch(residual + ahead * e.ldy + j);
      Lanes v = load(e.acc + at);
      if (e.gate) {
        const Lanes g = load(e.gate + at);
        v = g * sigmoid(g) * v;
      }
      if (e.bias) v = v + load_some(e.bias + j, n);
      if (e.activation == Activation::gelu_tanh) v = gelu_tanh(v);
      if (e.activation == Activation::gelu_erf) v = gelu_erf(v);
      if (residual) v = v + load_some(residual + j, n);
      store_some(y + j, v, n);
    }
  }
}

}  // namespace owl3::OWL3_LANES
