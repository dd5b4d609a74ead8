// The matrix kernels, written once: compiled by linear_<isa>.cpp in that instruction set's namespace (lanes/lanes.h
// says why). What differs are Lanes and the exact int8 dot products of a block (int8/<isa>.h).
#pragma once
#include "cpu/lanes/lanes.h"
#include "cpu/linear_kernels.h"
#if defined(OWL3_LANES_AVX512)
#include "cpu/int8/avx512.h"
#else
#if defined(OWL3_LANES_AVX2)
#include "cpu/int8/avx2.h"
#elif defined(OWL3_LANES_NEON)
#include "cpu/int8/neon.h"
#else
#include "cpu/int8/scalar.h"
#endif
#include "cpu/int8/one_panel.h"
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

inline void norm_row(const ops::Norm& norm, const float* x, float* y, int64_t k, int64_t padded) {
  Lanes shift = splat(0), scale = splat(1);
  if (norm.kind != ops::NormKind::none) {
    if (norm.kind == ops::NormKind::layer) {
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
      if (norm.kind != ops::NormKind::none) {
        v = (v - shift) * scale * load_some(norm.weight + i, k - i);
        if (norm.bias) v = v + load_some(norm.bias + i, k - i);
      }
    }
    store(y + i, v);
  }
}

// An activation scale is a power of two times one of four constants. So a kernel can take a block's sum times the
// power, on pipes that products leave free, and the weights' scales times the constant once for many rows, instead of
// one more product a row and block; and no result changes, since powers of two round nothing. The step grows by
// 2^(1/4) at most, and by 1.09 as a mean square.
constexpr int scale_steps = 4;
constexpr float scale_step[scale_steps + 1] = {1.0f, 1.18920712f, 1.41421356f, 1.68179283f, 2.0f};
constexpr float inverse_step[scale_steps + 1] = {1.0f, 1 / scale_step[1], 1 / scale_step[2], 1 / scale_step[3], 0.5f};

struct GridScale {
  float scale, inverse;
};
/// The least of those that is not below x (of [2^-100, 2^123], or infinity), and its inverse.
inline GridScale grid_scale(float x) {
  const auto bits = __builtin_bit_cast(uint32_t, x), power = bits & 0x7f800000;
  const float part = __builtin_bit_cast(float, (bits & 0x007fffff) | 0x3f800000);
  // Added up, since a branch would be guessed wrong half of the time.
  const int i = (part > scale_step[0]) + (part > scale_step[1]) + (part > scale_step[2]) + (part > scale_step[3]);
  return {__builtin_bit_cast(float, power) * scale_step[i],
          __builtin_bit_cast(float, 0x7f000000 - power) * inverse_step[i]};
}
/// Of a scale of the grid, zero or infinity: the power's exponent (infinity: infinity), and which constant.
inline float scale_exponent(float scale) {
  const int exponent = static_cast<int>(__builtin_bit_cast(uint32_t, scale) >> 23) - 127;
  return exponent == 128 ? __builtin_inff() : static_cast<float>(exponent);
}
inline int scale_constant(float scale) {  // mantissas of the constants are nearest to 0, 1, 2 and 3 quarters
  return static_cast<int>(((__builtin_bit_cast(uint32_t, scale) & 0x007fffff) + (1u << 20)) >> 21);
}

inline void to_int8(const float* x, int64_t padded, const IntRows& rows, int64_t row) {
  const int64_t blocks = rows.padded / 32;
  int8_t* q = rows.q + row * rows.padded;
  float *scale = rows.scale + row * blocks, *negsum = rows.negsum + row * blocks;
  int32_t* sums = rows.sum + row * blocks * 2;
  for (int64_t b = 0; b < padded / 32; ++b) {
    const Lanes x0 = load(x + 32 * b), x1 = load(x + 32 * b + 16);
    const float most = largest(max(absolute(x0), absolute(x1)));
    // Below 1e-28 the product of two scales may lose bits; nothing that small is told from zero.
    const bool zero = !(most > 1e-28f), infinite = most > 3.4e38f;
    const GridScale grid = grid_scale(most * (1 / 127.0f));
    scale[b] = zero ? 0.0f : grid.scale;
    const Lanes inverse = splat(zero || infinite ? 0.0f : grid.inverse);
    round_to_int8(x0 * inverse, x1 * inverse, q + 32 * b, sums + 2 * b);
    negsum[b] = -(scale[b] * static_cast<float>(sums[2 * b] + sums[2 * b + 1]));
  }
  for (int64_t b = padded / 32; b < blocks; ++b) {
    __builtin_memset(q + 32 * b, 0, 32);
    scale[b] = negsum[b] = 0;
    sums[2 * b] = sums[2 * b + 1] = 0;
  }
}

// ---- int8 ----

/// Columns that a tile goes through without storing its sums, whole records: its panels' share of them stays in L1 (8
/// or 12 KiB and scales) while the rows pass.
constexpr int columns_at_once = int8_panels_at_once == 1 ? 768 : 256;
static_assert(columns_at_once % 256 == 0 && linear_kernels::int8_panels % int8_panels_at_once == 0);
constexpr int blocks_at_once = columns_at_once / 32;

struct Columns {
  const uint8_t* q[blocks_at_once];  // as Chunk
  const float* scale;                // [blocks, 32 / group, powers_apart ? scale_steps : 1, 16]
  const float* min;
  int blocks;
};

/// What a row brings to its products in these columns, besides the values: `start` is what a block's integer sums start
/// from; `scale`, where powers are applied apart, is the exponent of the row's, and `constant` where the weights'
/// scales times its constant stand. A fixed distance from one row to the next saves the registers of many pointers.
template <int Groups, bool Mins>
struct RowTerms {
  int32_t start[blocks_at_once * Groups];
  float scale[blocks_at_once];
  int32_t constant[powers_apart ? blocks_at_once : 1];
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
    for (int i = 0; i < blocks; ++i) {
      const float scale = x.scale[at + i];
      terms->scale[i] = powers_apart ? scale_exponent(scale) : scale;
      if constexpr (powers_apart) terms->constant[i] = 16 * scale_constant(scale);
    }
    for (int i = 0; Mins && i < blocks; ++i) terms->negsum[i] = x.negsum[at + i];
  }
}

/// R rows times P panels; sums of a panel are ldacc floats from the next one's.
template <int R, int P, int Groups, bool Mins>
inline void int8_tile(const Columns* c, const int8_t* q, int64_t ldq, const RowTerms<Groups, Mins>* terms, float* acc,
                      int64_t ldacc) {
  constexpr int64_t ldstart = sizeof(RowTerms<Groups, Mins>) / sizeof(int32_t);
  Lanes a[R][P];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) a[r][p] = load(acc + p * ldacc + 16 * r);
  }
  for (int b = 0; b < c->blocks; ++b) {
    Lanes s[P][Groups], min[P];
    const uint8_t* w[P];
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) {
      w[p] = c[p].q[b];
      for (int g = 0; !powers_apart && g < Groups; ++g) s[p][g] = load(c[p].scale + 16 * (Groups * b + g));
      if constexpr (Mins) min[p] = load(c[p].min + 16 * b);
    }
    dot_block<R, P, Groups>(
        w, q + 32 * b, ldq, terms->start + Groups * b, ldstart, [&](int r, int p, int g, Lanes dot) {
          if constexpr (powers_apart) {
            const float* scaled = c[p].scale + 16 * scale_steps * (Groups * b + g) + terms[r].constant[b];
            a[r][p] = fma(times_power(dot, terms[r].scale[b]), load(scaled), a[r][p]);
          } else {
            a[r][p] = fma(dot, s[p][g] * splat(terms[r].scale[b]), a[r][p]);
          }
          if constexpr (Mins) a[r][p] = fma(min[p], splat(terms[r].negsum[b]), a[r][p]);
        });
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) store(acc + p * ldacc + 16 * r, a[r][p]);
  }
}

/// Memory that is wanted soon, fetched bit by bit while there is other work.
template <int P>
struct Ahead {
  const uint8_t *at, *end;
  int64_t step, panel_bytes;
  void fetch() {
    const uint8_t* to = end - at < step ? end : at + step;
    for (; at < to; at += 64) {
      for (int p = 0; p < P; ++p) __builtin_prefetch(at + p * panel_bytes, 0, 2);
    }
  }
};

/// What is wanted after columns [k, k + n) of panels panel + p ...: those of the next panels, or after the last of
/// `panels` the first ones' next columns. In `turns` bits.
template <int P>
inline Ahead<P> columns_after(const Packed& w, int64_t panel, int32_t panels, int32_t p, int64_t k, int64_t n,
                              int64_t turns) {
  const Layout l = layout_of(w.type);
  const bool last = p + P >= panels;
  const int64_t next = last ? k + n : k, end = next + n;
  const uint8_t* from = w.panel(last ? panel : panel + p + P);
  Ahead<P> ahead;
  ahead.at = from + next / l.step * l.record;
  ahead.end = from + (end < w.padded_cols ? end : w.padded_cols) / l.step * l.record;
  ahead.step = ((ahead.end - ahead.at) / turns + 63) / 64 * 64;
  ahead.panel_bytes = w.panel_bytes;
  return ahead;
}

template <int R, int P, int Groups, bool Mins>
inline void int8_tiles(const Columns* c, const int8_t* q, int64_t ldq, int64_t rows,
                       const RowTerms<Groups, Mins>* terms, float* acc, int64_t ldacc, Ahead<P>& ahead) {
  int64_t r = 0;
  for (; r + R <= rows; r += R) {
    ahead.fetch();
    int8_tile<R, P, Groups, Mins>(c, q + r * ldq, ldq, terms + r, acc + 16 * r, ldacc);
  }
  if constexpr (R > 1) {
    constexpr int rest = R > 4 ? 4 : R / 2;
    if (r < rows) {
      int8_tiles<rest, P, Groups, Mins>(c, q + r * ldq, ldq, rows - r, terms + r, acc + 16 * r, ldacc, ahead);
    }
  }
}

/// Of each of int8_panels_at_once panels, one after the other: q [blocks_at_once, 512], scale [2 * blocks_at_once,
/// scale_steps, 16], min [blocks_at_once, 16]; and [rows] of RowTerms.
struct Int8Scratch {
  uint8_t* q;
  float* scale;
  float* min;
  void* terms;
};
inline Int8Scratch carve_int8(void* scratch) {
  auto* p = static_cast<uint8_t*>(scratch);
  constexpr int64_t blocks = blocks_at_once * int8_panels_at_once, scale_at = blocks * 512,
                    min_at = scale_at + blocks * 128 * scale_steps, terms_at = min_at + blocks * 64,
                    row = sizeof(RowTerms<1, true>) > sizeof(RowTerms<2, false>) ? sizeof(RowTerms<1, true>)
                                                                                 : sizeof(RowTerms<2, false>);
  static_assert(terms_at + linear_kernels::most_int8_rows * row <= linear_kernels::scratch_bytes);
  return {p, reinterpret_cast<float*>(p + scale_at), reinterpret_cast<float*>(p + min_at), p + terms_at};
}

/// `at`: which of the scratch's panels.
template <int Groups>
inline Columns unpack_columns(const Packed& w, int64_t panel, int64_t k, int blocks, const Int8Scratch& scratch,
                              int at) {
  const Int8Scratch s = {scratch.q + at * blocks_at_once * 512,
                         scratch.scale + at * blocks_at_once * Groups * scale_steps * 16,
                         scratch.min + at * blocks_at_once * 16, nullptr};
  Columns c{{}, s.scale, s.min, blocks};
  for (int b = 0; b < blocks; b += 8) {
    const int count = blocks - b < 8 ? blocks - b : 8;
    alignas(64) float scale[16 * 16];
    unpack_blocks<unsigned_weights>(w, panel, k + 32 * b, count, s.q + 512 * b,
                                    powers_apart ? scale : s.scale + 16 * Groups * b, s.min + 16 * b, c.q + b);
    float* to = s.scale + 16 * scale_steps * Groups * b;
    for (int i = 0; powers_apart && i < Groups * count; ++i) {
      const Lanes of = load(scale + 16 * i);
      for (int step = 0; step < scale_steps; ++step, to += 16) store(to, of * splat(scale_step[step]));
    }
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
  const int64_t tiles = rows / int8_rows + 1;
  // A run of the rows stays in L2 for all panels.
  for (int64_t k = 0; k < w.padded_cols; k += columns_at_once) {
    const int64_t left = w.padded_cols - k;
    const int blocks = static_cast<int>((left < columns_at_once ? left : columns_at_once) / 32);
    auto* terms = static_cast<RowTerms<Groups, Mins>*>(s.terms);
    row_terms(x, row, rows, k / 32, blocks, offset, terms);
    const auto step = [&]<int P>(int32_t p) {
      Columns c[P];
      for (int i = 0; i < P; ++i) c[i] = unpack_columns<Groups>(w, panel + p + i, k, blocks, s, i);
      Ahead<P> ahead = columns_after<P>(w, panel, panels, p, k, columns_at_once, tiles);
      int8_tiles<int8_rows, P>(c, x.q + row * x.padded + k, x.padded, rows, terms, acc + ldacc * p, ldacc, ahead);
    };
    int32_t p = 0;
    for (; p + int8_panels_at_once <= panels; p += int8_panels_at_once)
      step.template operator()<int8_panels_at_once>(p);
    for (; p < panels; ++p) step.template operator()<1>(p);
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
      if (e.activation == ops::Activation::gelu_tanh) v = gelu_tanh(v);
      if (e.activation == ops::Activation::gelu_erf) v = gelu_erf(v);
      if (residual) v = v + load_some(residual + j, n);
      store_some(y + j, v, n);
    }
  }
}

}  // namespace owl3::OWL3_LANES
