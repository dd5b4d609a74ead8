// Products of int8 activations with quantised weights, for many rows.
#pragma once
#include "cpu/gemm/ahead.h"
#include "cpu/gemm/rows.h"
#include "cpu/gemm/unpack.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

/// A tile goes through this many columns (of whole records) without storing its sums: its panels' share of them stays in
/// L1 (8 or 12 KiB and scales) while the rows pass.
constexpr int columns_at_once = int8_tile_panels == 1 ? 768 : 256;
static_assert(columns_at_once % 256 == 0 && int8_blocking.tile_panels % int8_tile_panels == 0);
constexpr int blocks_at_once = columns_at_once / 32;

struct Columns {
  const uint8_t* q[blocks_at_once];  // [512] in quad order, see Chunk
  const float* scale;                // [blocks, 32 / group, powers_apart ? scale_steps : 1, 16]
  const float* min;
  int blocks;
};

/// Per-row terms of these columns. `start`: initial int32 accumulator of a block, which cancels the offset of unsigned
/// weights. `scale`: the activation scale or, if powers_apart, only its exponent, and `constant` indexes the
/// premultiplied weight scales. A fixed distance from one row to the next saves the registers of many pointers.
template <class K>
struct RowTerms {
  int32_t start[blocks_at_once * K::groups];
  float scale[blocks_at_once];
  int32_t constant[powers_apart ? blocks_at_once : 1];
  float negsum[K::mins ? blocks_at_once : 1];
};

/// Blocks [block, block + blocks) of `rows` rows. For unsigned weights `start` subtracts the offset.
template <class K>
inline void row_terms(const Int8Rows& x, int64_t row, int64_t rows, int64_t block, int blocks, int32_t offset,
                      RowTerms<K>* terms) {
  for (int64_t r = 0; r < rows; ++r, ++terms) {
    const int64_t at = (row + r) * (x.padded / 32) + block;
    const int32_t* sums = x.sum + 2 * at;
    for (int i = 0; unsigned_weights && i < blocks * K::groups; ++i)
      terms->start[i] = -offset * (K::groups == 2 ? sums[i] : sums[2 * i] + sums[2 * i + 1]);
    for (int i = 0; i < blocks; ++i) {
      const float scale = x.scale[at + i];
      terms->scale[i] = powers_apart ? scale_exponent(scale) : scale;
      if constexpr (powers_apart) terms->constant[i] = 16 * scale_constant(scale);
    }
    for (int i = 0; K::mins && i < blocks; ++i) terms->negsum[i] = x.negsum[at + i];
  }
}

/// R rows times P panels; sums of a panel are ldacc floats from the next one's.
template <int R, int P, class K>
inline void int8_tile(const Columns* c, const int8_t* q, int64_t ldq, const RowTerms<K>* terms, float* acc,
                      int64_t ldacc) {
  constexpr int64_t ldstart = sizeof(RowTerms<K>) / sizeof(int32_t);
  Lanes a[R][P];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) a[r][p] = load(acc + p * ldacc + 16 * r);
  }
  for (int b = 0; b < c->blocks; ++b) {
    Lanes s[P][K::groups], min[P];
    const uint8_t* w[P];
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) {
      w[p] = c[p].q[b];
      for (int g = 0; !powers_apart && g < K::groups; ++g) s[p][g] = load(c[p].scale + 16 * (K::groups * b + g));
      if constexpr (K::mins) min[p] = load(c[p].min + 16 * b);
    }
    dot_block<R, P, K>(w, q + 32 * b, ldq, terms->start + K::groups * b, ldstart, [&](int r, int p, int g, Lanes dot) {
      if constexpr (powers_apart) {
        const float* scaled = c[p].scale + 16 * scale_steps * (K::groups * b + g) + terms[r].constant[b];
        a[r][p] = fma(times_power(dot, terms[r].scale[b]), load(scaled), a[r][p]);
      } else {
        a[r][p] = fma(dot, s[p][g] * splat(terms[r].scale[b]), a[r][p]);
      }
      if constexpr (K::mins) a[r][p] = fma(min[p], splat(terms[r].negsum[b]), a[r][p]);
    });
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) store(acc + p * ldacc + 16 * r, a[r][p]);
  }
}

template <int R, int P, class K>
inline void int8_tiles(const Columns* c, const int8_t* q, int64_t ldq, int64_t rows, const RowTerms<K>* terms,
                       float* acc, int64_t ldacc, Ahead<P>& ahead) {
  int64_t r = 0;
  for (; r + R <= rows; r += R) {
    ahead.fetch();
    int8_tile<R, P, K>(c, q + r * ldq, ldq, terms + r, acc + 16 * r, ldacc);
  }
  if constexpr (R > 1) {
    constexpr int rest = R > 4 ? 4 : R / 2;
    if (r < rows) {
      int8_tiles<rest, P, K>(c, q + r * ldq, ldq, rows - r, terms + r, acc + 16 * r, ldacc, ahead);
    }
  }
}

/// The scratch of a call: for each of int8_tile_panels panels q [blocks_at_once, 512], for each of them scale
/// [2 * blocks_at_once, scale_steps, 16], for each of them min [blocks_at_once, 16]; then [rows] of RowTerms.
struct Int8Scratch {
  uint8_t* q;
  float* scale;
  float* min;
  void* terms;
};
inline Int8Scratch partition_int8(void* scratch) {
  auto* p = static_cast<uint8_t*>(scratch);
  constexpr int64_t blocks = blocks_at_once * int8_tile_panels, scale_at = blocks * 512,
                    min_at = scale_at + blocks * 128 * scale_steps, terms_at = min_at + blocks * 64,
                    row = sizeof(RowTerms<Kind<1, true, 8>>) > sizeof(RowTerms<Kind<2, false, 8>>)
                              ? sizeof(RowTerms<Kind<1, true, 8>>)
                              : sizeof(RowTerms<Kind<2, false, 8>>);
  static_assert(terms_at + int8_blocking.max_rows * row <= scratch_bytes);
  return {p, reinterpret_cast<float*>(p + scale_at), reinterpret_cast<float*>(p + min_at), p + terms_at};
}

/// Unpacks a panel's columns into the scratch's panel `at`.
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

/// Columns [k, k + columns_at_once) of P panels from panel + p on: all rows pass while these weights stay in L1.
template <int P, class K>
inline void int8_columns(const Packed& w, int64_t panel, int32_t panels, int32_t p, int64_t k, int blocks,
                         const Int8Rows& x, int64_t row, int64_t rows, float* acc, const Int8Scratch& s) {
  constexpr int R = int8_tile_rows(K::bits);
  const int64_t ldacc = sums_stride(rows), tiles = rows / R + 1;
  Columns c[P];
  for (int i = 0; i < P; ++i) c[i] = unpack_columns<K::groups>(w, panel + p + i, k, blocks, s, i);
  Ahead<P> ahead = columns_after<P>(w, panel, panels, p, k, columns_at_once, tiles);
  int8_tiles<R, P>(c, x.q + row * x.padded + k, x.padded, rows, static_cast<const RowTerms<K>*>(s.terms),
                   acc + ldacc * p, ldacc, ahead);
}

template <class K>
inline void int8_panels(const Packed& w, int64_t panel, int32_t panels, const Int8Rows& x, int64_t row, int64_t rows,
                        float* acc, void* scratch) {
  const Int8Scratch s = partition_int8(scratch);
  const int64_t ldacc = sums_stride(rows);
  for (int64_t i = 0; i < ldacc * panels; ++i) acc[i] = 0;
  const int32_t offset = unsigned_weights ? layout_of(w.type).offset : 0;
  // A run of the rows stays in L2 for all panels.
  for (int64_t k = 0; k < w.padded_cols; k += columns_at_once) {
    const int64_t left = w.padded_cols - k;
    const int blocks = static_cast<int>((left < columns_at_once ? left : columns_at_once) / 32);
    row_terms(x, row, rows, k / 32, blocks, offset, static_cast<RowTerms<K>*>(s.terms));
    int32_t p = 0;
    for (; p + int8_tile_panels <= panels; p += int8_tile_panels)
      int8_columns<int8_tile_panels, K>(w, panel, panels, p, k, blocks, x, row, rows, acc, s);
    for (; p < panels; ++p) int8_columns<1, K>(w, panel, panels, p, k, blocks, x, row, rows, acc, s);
  }
}

inline void int8_all(const Packed& w, int64_t panel, int32_t panels, const Int8Rows& x, int64_t row, int64_t rows,
                     float* acc, void* scratch) {
  for_quantised(w.type, [&](auto format) {
    constexpr Layout l = Record<format.type>::layout();
    constexpr int bits = dot_bits(l.low_bits + l.high_bits);
    if constexpr (bits > 0) int8_panels<Kind<32 / l.group, l.mins, bits>>(w, panel, panels, x, row, rows, acc, scratch);
  });
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
