// GEMM on AMX tiles. int8: 16 rows x 16 outputs x 32 columns in a tile product, then scaled and added as the other kernels
// do, so few rows (which take the AVX-512 kernel) and many get the same bits. bfloat16 weights: tiles straight from the
// panels, activations as two bfloat16, at any number of rows.
#include "cpu/gemm/int8.h"
#include "cpu/gemm/kernels.h"
#include "cpu/simd/amx.h"
#include "cpu/simd/bf16.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

// ---- int8 ----
// Tiles 0-3: sums of a block, 16 x 16 int32; 4, 5: a block of rows [16][32]; 6, 7: one of weights [8][16][4].
//
// The speed is decided so (a Xeon of the fourth generation, one core): a tile's product takes 16 cycles and storing its
// sums 14. They run side by side when a product is stored two products later, since tiles are not renamed. Tile and
// vector instructions hardly do, and each change from one to the other costs some 50 cycles: so the sums of eight
// blocks and two panels are stored before they are scaled and added.

constexpr int32_t min_tile_rows =
    32;                        // tiles are a quarter ahead of the AVX-512 kernel at 74 rows; fewer were not measured
constexpr int max_blocks = 8;  // in a chunk

inline void shape_int8(int rows) {
  alignas(64) TileConfig s;
  for (int i = 0; i < 4; ++i) s.bytes[i] = 64, s.rows[i] = static_cast<uint8_t>(rows);
  for (int i = 4; i < 6; ++i) s.bytes[i] = 32, s.rows[i] = static_cast<uint8_t>(rows);
  for (int i = 6; i < 8; ++i) s.bytes[i] = 64, s.rows[i] = 8;
  load_tile_config(s);
}

// The intrinsics want tiles as literals.
template <int T>
inline void load_rows(const int8_t* q, int64_t ldq) {
  if constexpr (T < 2) {
    _tile_loadd(4, q, ldq);
  } else {
    _tile_loadd(5, q, ldq);
  }
}
template <int T>
inline void multiply_block(const uint8_t* w) {
  if constexpr (T == 0) {
    _tile_loadd(6, w, 64);
    _tile_zero(0);
    _tile_dpbssd(0, 4, 6);
  }
  if constexpr (T == 1) {
    _tile_loadd(7, w, 64);
    _tile_zero(1);
    _tile_dpbssd(1, 4, 7);
  }
  if constexpr (T == 2) {
    _tile_loadd(6, w, 64);
    _tile_zero(2);
    _tile_dpbssd(2, 5, 6);
  }
  if constexpr (T == 3) {
    _tile_loadd(7, w, 64);
    _tile_zero(3);
    _tile_dpbssd(3, 5, 7);
  }
}
template <int T>
inline void store_sums(int32_t* to) {
  if constexpr (T == 0) {
    _tile_stored(0, to, 64);
  }
  if constexpr (T == 1) {
    _tile_stored(1, to, 64);
  }
  if constexpr (T == 2) {
    _tile_stored(2, to, 64);
  }
  if constexpr (T == 3) {
    _tile_stored(3, to, 64);
  }
}

/// Products I and later of multiply_blocks().
template <int I, int N, int P>
__attribute__((always_inline)) inline void multiply_blocks_from(const Chunk* c, int b, const int8_t* q, int64_t ldq,
                                                                int32_t* sums) {
  if constexpr (I < N * P) {
    if constexpr (I % P == 0) load_rows<I % 4>(q + 32 * (I / P), ldq);
    multiply_block<I % 4>(c[I % P].q[b + I / P]);
    if constexpr (I >= 2) store_sums<(I - 2) % 4>(sums + 256 * (I - 2));
    multiply_blocks_from<I + 1, N, P>(c, b, q, ldq, sums);
  }
}
/// sums [N blocks from b on][P panels][rows, 16] of up to 16 rows.
template <int N, int P>
inline void multiply_blocks(const Chunk* c, int b, const int8_t* q, int64_t ldq, int32_t* sums) {
  constexpr int products = N * P;
  multiply_blocks_from<0, N, P>(c, b, q, ldq, sums);
  store_sums<(products - 2) % 4>(sums + 256 * (products - 2));
  store_sums<(products - 1) % 4>(sums + 256 * (products - 1));
}

/// The scales of a tile's rows, `ld` apart.
struct RowScales {
  const float* scale;
  const float* negsum;
  int64_t ld;
};

/// acc [rows, 16] plus the sums of N blocks of a panel, which are `ldsums` apart, scaled.
template <int N, bool Mins>
inline void add_blocks(const Chunk& c, int b, RowScales x, int rows, const int32_t* sums, int64_t ldsums, float* acc) {
  Lanes s[N], m[N];
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) {
    s[i] = load(c.scale + 16 * (b + i));
    if constexpr (Mins) m[i] = load(c.min + 16 * (b + i));
  }
  for (int r = 0; r < rows; ++r, x.scale += x.ld, x.negsum += x.ld, acc += 16, sums += 16) {
    Lanes a = load(acc);
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) {
      a = fma(Lanes{_mm512_cvtepi32_ps(_mm512_load_si512(sums + ldsums * i))}, s[i] * splat(x.scale[i]), a);
      if constexpr (Mins) a = fma(m[i], splat(x.negsum[i]), a);
    }
    store(acc, a);
  }
}

/// N blocks from b on of a chunk of P panels times up to 16 rows; acc is of the first panel.
template <int N, int P, bool Mins>
inline void int8_tile_blocks(const Chunk* c, int b, const Int8Rows& x, int64_t row, int rows, int64_t block,
                             int32_t* sums, float* acc, int64_t ldacc) {
  const int64_t row_blocks = x.padded / 32, at = row * row_blocks + block + b;
  multiply_blocks<N, P>(c, b, x.q + row * x.padded + 32 * (block + b), x.padded, sums);
  for (int p = 0; p < P; ++p) {
    add_blocks<N, Mins>(c[p], b, {.scale = x.scale + at, .negsum = x.negsum + at, .ld = row_blocks}, rows,
                        sums + 256 * p, 256 * P, acc + ldacc * p);
  }
}

/// A chunk of P panels times up to 16 rows; acc is of the first panel.
template <int P, bool Mins>
inline void int8_tile_rows_of(const Chunk* c, const Int8Rows& x, int64_t row, int rows, int64_t block, int32_t* sums,
                              float* acc, int64_t ldacc) {
  if (c->blocks == max_blocks)
    return int8_tile_blocks<max_blocks, P, Mins>(c, 0, x, row, rows, block, sums, acc, ldacc);
  for (int b = 0; b < c->blocks; b += 2) int8_tile_blocks<2, P, Mins>(c, b, x, row, rows, block, sums, acc, ldacc);
}

/// A chunk of columns from k on of P panels from panel + p on, times all rows.
template <int P, bool Mins>
inline void int8_tile_columns(const Packed& w, int64_t panel, int32_t panels, int32_t p, int64_t k, const Int8Rows& x,
                              int64_t row, int64_t rows, float* acc, const Int8Scratch& s) {
  const int64_t ldacc = sums_stride(rows), whole = rows / 16 * 16;
  auto* sums = static_cast<int32_t*>(s.terms);
  Chunk c[P];
  for (int i = 0; i < P; ++i)
    c[i] = unpack_int8<false>(w, panel + p + i, k, s.q + i * max_blocks * 512, s.scale + i * max_blocks * 16,
                              s.min + i * max_blocks * 16);
  Ahead<P> ahead = columns_after<P>(w, panel, panels, p, k, chunk, rows / 16);
  acc += ldacc * p;
  if (whole != rows) shape_int8(16);
  for (int64_t r = 0; r < whole; r += 16) {
    ahead.fetch();
    int8_tile_rows_of<P, Mins>(c, x, row + r, 16, k / 32, sums, acc + 16 * r, ldacc);
  }
  if (whole == rows) return;
  const int rest = static_cast<int>(rows - whole);
  shape_int8(rest);
  int8_tile_rows_of<P, Mins>(c, x, row + whole, rest, k / 32, sums, acc + 16 * whole, ldacc);
}

template <bool Mins>
inline void int8_tile_panels_of(const Packed& w, int64_t panel, int32_t panels, const Int8Rows& x, int64_t row,
                                int64_t rows, float* acc, void* scratch) {
  const Int8Scratch s = partition_int8(scratch);
  static_assert(blocks_at_once == max_blocks && int8_tile_panels == 2);
  static_assert(int8_blocking.max_rows * sizeof(RowTerms<Kind<1, false, 8>>) >= 2 * max_blocks * 1024);  // the sums
  for (int64_t i = 0; i < sums_stride(rows) * panels; ++i) acc[i] = 0;
  for (int64_t k = 0; k < w.padded_cols; k += chunk) {
    int32_t p = 0;
    for (; p + 2 <= panels; p += 2) int8_tile_columns<2, Mins>(w, panel, panels, p, k, x, row, rows, acc, s);
    if (p < panels) int8_tile_columns<1, Mins>(w, panel, panels, p, k, x, row, rows, acc, s);
  }
}

void int8_amx(const Packed& w, int64_t panel, int32_t panels, const Int8Rows& x, int64_t row, int64_t rows, float* acc,
              void* scratch) {
  const Layout l = layout_of(w.type);
  if (rows < min_tile_rows || l.group == 16) return int8_all(w, panel, panels, x, row, rows, acc, scratch);
  shape_int8(16);
  if (l.mins) {
    int8_tile_panels_of<true>(w, panel, panels, x, row, rows, acc, scratch);
  } else {
    int8_tile_panels_of<false>(w, panel, panels, x, row, rows, acc, scratch);
  }
  _tile_release();
}

// ---- bfloat16 ----
// Tiles 0-3: sums of 2 x 16 rows x 2 panels; 4, 5: rows [16][32]; 6, 7: weights of a panel [16][16][2].

constexpr int64_t tile_values = 512;

void rows_to_bf16(const float* x, int64_t padded, const Bf16Rows& rows, int64_t row) {
  const int64_t at = row / 16 * 16 * padded + row % 16 * 32;
  for (int64_t i = 0; i < padded; i += 16) {
    const int64_t to = at + i / 32 * tile_values + i % 32;
    const __m512 v = _mm512_loadu_ps(x + i);
    const __m256i high = to_bf16(v);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows.high + to), high);
    if (rows.low)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows.low + to), to_bf16(_mm512_sub_ps(v, from_bf16(high))));
  }
}

/// Weights of two panels (or one) as tiles, `low` null where one bfloat16 is all.
struct WeightTiles {
  const uint16_t* high[2];
  const uint16_t* low[2];
};

/// x = 256 + u for the byte u at bits 15-22.
inline __m512 float_of_byte(__m512i shifted) {
  return _mm512_castsi512_ps(
      _mm512_ternarylogic_epi32(shifted, _mm512_set1_epi32(0x7f8000), _mm512_set1_epi32(0x43800000), 0xea));
}

/// Eight blocks (or fewer) of quantised weights, rounded to bfloat16.
inline void quants_to_bf16(const Packed& w, int64_t panel, int64_t k, uint16_t* out, const Int8Scratch& s) {
  const Layout l = layout_of(w.type);
  const Chunk c = unpack_int8<true>(w, panel, k, s.q, s.scale, s.min);
  const int groups = 32 / l.group;
  const __m512 start = _mm512_set1_ps(256.0f + static_cast<float>(l.offset));
  for (int b = 0; b < c.blocks; ++b) {
    for (int g = 0; g < groups; ++g) {
      const __m512 scale = _mm512_loadu_ps(c.scale + 16 * (groups * b + g));
      __m512 shift = _mm512_mul_ps(start, scale);
      if (l.mins) shift = _mm512_add_ps(shift, _mm512_loadu_ps(c.min + 16 * b));
      for (int i = g * (8 / groups); i < (g + 1) * (8 / groups); ++i) {
        const __m512i v = _mm512_load_si512(c.q[b] + 64 * i);
        const auto value = [&](__m512i shifted) { return _mm512_fmsub_ps(float_of_byte(shifted), scale, shift); };
        const __m512 k0 = value(_mm512_slli_epi32(v, 15)), k1 = value(_mm512_slli_epi32(v, 7)),
                     k2 = value(_mm512_srli_epi32(v, 1)), k3 = value(_mm512_srli_epi32(v, 9));
        // Rounded to nearest (ties away from zero) by adding half of the last place; the upper halves are kept.
        const __m512i half = _mm512_set1_epi32(0x8000), upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
        const auto join = [&](__m512 even, __m512 odd) {
          const __m512i e = _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(even), half), 16);
          const __m512i o = _mm512_add_epi32(_mm512_castps_si512(odd), half);
          return _mm512_ternarylogic_epi32(e, o, upper, 0xf8);  // e | (o & upper)
        };
        uint16_t* to = out + b * tile_values + i * 64;
        _mm512_store_si512(to, join(k0, k1));
        _mm512_store_si512(to + 32, join(k2, k3));
      }
    }
  }
}

/// [n][16] floats, n even, as sums of two bfloat16.
inline void floats_to_bf16(const float* x, int64_t n, uint16_t* high, uint16_t* low) {
  for (int64_t i = 0; i < n; i += 2) {
    const __m512 a = _mm512_loadu_ps(x + 16 * i), b = _mm512_loadu_ps(x + 16 * i + 16);
    const __m256i ha = to_bf16(a), hb = to_bf16(b);
    _mm512_store_si512(high + 16 * i, pairs(ha, hb));
    _mm512_store_si512(low + 16 * i,
                       pairs(to_bf16(_mm512_sub_ps(a, from_bf16(ha))), to_bf16(_mm512_sub_ps(b, from_bf16(hb)))));
  }
}

constexpr int64_t bf16_chunk = 256;  // columns at a time: two panels' tiles and those of two times 16 rows share L1

/// Columns [k, k + n) of a panel as tiles: where they stand, or unpacked into `to` ([2][bf16_chunk * 16]).
inline void weight_tiles(const Packed& w, int64_t panel, int64_t k, int64_t n, uint16_t* to, void* scratch,
                         const uint16_t*& high, const uint16_t*& low) {
  high = to;
  low = nullptr;
  if (w.type == DType::bf16) {
    high = reinterpret_cast<const uint16_t*>(panel_at(w, panel) + k * 32);
  } else if (layout_of(w.type).quantised) {
    for (int64_t i = 0; i < n; i += chunk) quants_to_bf16(w, panel, k + i, to + i * 16, partition_int8(scratch));
  } else {
    low = to + bf16_chunk * 16;
    alignas(64) float values[32 * 16];
    for (int64_t i = 0; i < n; i += 32) {
      unpack_float(w, panel, k + i, 32, values);
      floats_to_bf16(values, 32, to + i * 16, to + bf16_chunk * 16 + i * 16);
    }
  }
}

/// Adds `steps` products to RT tiles of rows times PT panels.
template <int RT, int PT>
inline void bf16_tiles(const uint16_t* high, const uint16_t* low, int64_t row_tile, const WeightTiles& w, int64_t steps,
                       float* acc, int64_t ldacc) {
  _tile_loadd(0, acc, 64);
  if (PT > 1) _tile_loadd(1, acc + ldacc, 64);
  if (RT > 1) _tile_loadd(2, acc + 256, 64);
  if (RT > 1 && PT > 1) _tile_loadd(3, acc + ldacc + 256, 64);
  const auto product = [&](const uint16_t* a, const uint16_t* b0, const uint16_t* b1) {
    _tile_loadd(6, b0, 64);
    if (PT > 1) _tile_loadd(7, b1, 64);
    _tile_loadd(4, a, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (PT > 1) _tile_dpbf16ps(1, 4, 7);
    if (RT > 1) {
      _tile_loadd(5, a + row_tile, 64);
      _tile_dpbf16ps(2, 5, 6);
      if (PT > 1) _tile_dpbf16ps(3, 5, 7);
    }
  };
  for (int64_t s = 0; s < steps; ++s) {
    const int64_t at = s * tile_values;
    product(high + at, w.high[0] + at, w.high[1] + at);
    if (low) product(low + at, w.high[0] + at, w.high[1] + at);
    if (w.low[0]) product(high + at, w.low[0] + at, w.low[1] + at);
  }
  _tile_stored(0, acc, 64);
  if (PT > 1) _tile_stored(1, acc + ldacc, 64);
  if (RT > 1) _tile_stored(2, acc + 256, 64);
  if (RT > 1 && PT > 1) _tile_stored(3, acc + ldacc + 256, 64);
}

void bf16_amx(const Packed& w, int64_t panel, int32_t panels, const Bf16Rows& x, int64_t row, int64_t rows, float* acc,
              void* scratch) {
  // AMX time is proportional to configured rows, so a short call configures short tiles; otherwise the last tile computes
  // padding rows that are discarded.
  TileConfig shapes;
  for (int i = 0; i < 8; ++i)
    shapes.bytes[i] = 64, shapes.rows[i] = static_cast<uint8_t>(i < 6 && rows < 16 ? rows : 16);
  load_tile_config(shapes);
  const int64_t ldacc = sums_stride(rows), row_tiles = (rows + 15) / 16, row_tile = x.padded * 16;
  for (int64_t i = 0; i < ldacc * panels; ++i) acc[i] = 0;
  const bool quantised = layout_of(w.type).quantised;
  const uint16_t *high = x.high + row * x.padded, *low = quantised || !x.low ? nullptr : x.low + row * x.padded;
  auto* tiles = static_cast<uint16_t*>(scratch);
  void* rest = tiles + 4 * bf16_chunk * 16;
  // One pair of panels after the other where their tiles stand in memory already and pass by once.
  const bool direct = w.type == DType::bf16 && rows <= 32;
  const int64_t chunk = direct ? x.padded : quantised || !x.low ? bf16_chunk : bf16_chunk / 2;
  for (int64_t k = 0; k < x.padded; k += chunk) {
    const int64_t n = x.padded - k < chunk ? x.padded - k : chunk;
    for (int32_t p = 0; p < panels; p += 2) {
      const bool pair = p + 1 < panels;
      WeightTiles t;
      for (int i = 0; i < 2; ++i) {
        if (i == 0 || pair)
          weight_tiles(w, panel + p + i, k, n, tiles + i * 2 * bf16_chunk * 16, rest, t.high[i], t.low[i]);
        else
          t.high[1] = t.high[0], t.low[1] = t.low[0];
      }
      Ahead<2> ahead = columns_after<2>(w, panel, panels, p, k, chunk, (row_tiles + 1) / 2);
      for (int64_t r = 0; r < row_tiles; r += 2) {
        if (!direct) ahead.fetch();
        const int64_t at = r * row_tile + k * 16;
        const uint16_t *h = high + at, *l = low ? low + at : nullptr;
        float* sum = acc + ldacc * p + 256 * r;
        const bool two = r + 1 < row_tiles;
        if (two && pair)
          bf16_tiles<2, 2>(h, l, row_tile, t, n / 32, sum, ldacc);
        else if (two)
          bf16_tiles<2, 1>(h, l, row_tile, t, n / 32, sum, ldacc);
        else if (pair)
          bf16_tiles<1, 2>(h, l, row_tile, t, n / 32, sum, ldacc);
        else
          bf16_tiles<1, 1>(h, l, row_tile, t, n / 32, sum, ldacc);
      }
    }
  }
  _tile_release();
}

}  // namespace

extern const gemm::Product<gemm::Int8Rows> gemm_int8;
extern const gemm::Product<gemm::Bf16Rows> gemm_bf16;
const gemm::Product<gemm::Int8Rows> gemm_int8{.convert = to_int8, .multiply = int8_amx};
const gemm::Product<gemm::Bf16Rows> gemm_bf16{.convert = rows_to_bf16, .multiply = bf16_amx};

}  // namespace owl3::cpu::OWL3_ISA
