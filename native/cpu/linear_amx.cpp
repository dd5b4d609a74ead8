#ifdef __AMX_BF16__
// Matrix products on AMX tiles. int8: 16 rows x 16 outputs x 32 columns a tile product, then scaled and added as the
// other kernels do, so few rows (which take the AVX-512 kernel) and many get the same bits. bfloat16 weights: tiles
// straight from the panels, activations as two bfloat16, at any number of rows.
#define OWL3_LANES amx
#define OWL3_LANES_AVX512
#include "cpu/linear_body.h"

namespace owl3::amx {
namespace {

struct TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

// ---- int8 ----
// Tiles 0-3: sums of four blocks, 16 x 16 int32; 4, 5: rows [16][32]; 6, 7: weights [8][16][4].

constexpr int32_t least_tile_rows = 5;

inline void shape_int8(int rows) {
  alignas(64) TileShapes s;
  for (int i = 0; i < 4; ++i) s.bytes[i] = 64, s.rows[i] = static_cast<uint8_t>(rows);
  for (int i = 4; i < 6; ++i) s.bytes[i] = 32, s.rows[i] = static_cast<uint8_t>(rows);
  for (int i = 6; i < 8; ++i) s.bytes[i] = 64, s.rows[i] = 8;
  _tile_loadconfig(&s);
}

template <int Groups, bool Mins>
inline void int8_tile_rows(const Chunk& c, const IntRows& x, int64_t row, int rows, int64_t block, int32_t* sums,
                           float* acc) {
  const int64_t blocks_a_row = x.padded / 32;
  const int8_t* q = x.q + row * x.padded + 32 * block;
  const float* scale = x.scale + row * blocks_a_row + block;
  const float* negsum = x.negsum + row * blocks_a_row + block;
  for (int b = 0; b < c.blocks; b += 2) {
    _tile_zero(0);
    _tile_loadd(4, q + 32 * b, x.padded);
    _tile_loadd(6, c.q[b], 64);
    _tile_dpbssd(0, 4, 6);
    _tile_zero(1);
    _tile_loadd(5, q + 32 * b + 32, x.padded);
    _tile_loadd(7, c.q[b + 1], 64);
    _tile_dpbssd(1, 5, 7);
    _tile_stored(0, sums, 64);
    _tile_stored(1, sums + 256, 64);
    const Lanes s0 = load(c.scale + 16 * b), s1 = load(c.scale + 16 * b + 16);
    const Lanes m0 = Mins ? load(c.min + 16 * b) : s0, m1 = Mins ? load(c.min + 16 * b + 16) : s1;
    for (int r = 0; r < rows; ++r) {
      const int64_t at = r * blocks_a_row + b;
      Lanes a = load(acc + 16 * r);
      a = fma(Lanes{_mm512_cvtepi32_ps(_mm512_load_si512(sums + 16 * r))}, s0 * splat(scale[at]), a);
      if constexpr (Mins) a = fma(m0, splat(negsum[at]), a);
      a = fma(Lanes{_mm512_cvtepi32_ps(_mm512_load_si512(sums + 256 + 16 * r))}, s1 * splat(scale[at + 1]), a);
      if constexpr (Mins) a = fma(m1, splat(negsum[at + 1]), a);
      store(acc + 16 * r, a);
    }
  }
}

template <bool Mins>
inline void int8_tiles_panels(const Packed& w, int64_t panel, int32_t panels, const IntRows& x, int64_t row,
                              int64_t rows, float* acc, void* scratch) {
  const Int8Scratch s = carve_int8(scratch);
  for (int64_t i = 0; i < 16 * rows * panels; ++i) acc[i] = 0;
  const int64_t whole = rows / 16 * 16;
  for (int64_t k = 0; k < w.padded_cols; k += linear_kernels::chunk) {
    for (int32_t p = 0; p < panels; ++p) {
      const Chunk c = unpack_int8<false>(w, panel + p, k, s.q, s.scale, s.min);
      float* sum = acc + 16 * rows * p;
      if (whole) {
        if (whole != rows) shape_int8(16);
        for (int64_t r = 0; r < whole; r += 16)
          int8_tile_rows<1, Mins>(c, x, row + r, 16, k / 32, s.start, sum + 16 * r);
      }
      if (whole != rows) {
        shape_int8(static_cast<int>(rows - whole));
        int8_tile_rows<1, Mins>(c, x, row + whole, static_cast<int>(rows - whole), k / 32, s.start, sum + 16 * whole);
      }
    }
  }
}

void int8_amx(const Packed& w, int64_t panel, int32_t panels, const IntRows& x, int64_t row, int64_t rows, float* acc,
              void* scratch) {
  const Layout l = layout_of(w.type);
  if (rows < least_tile_rows || l.group == 16) return int8_all(w, panel, panels, x, row, rows, acc, scratch);
  shape_int8(16);
  if (l.mins) {
    int8_tiles_panels<true>(w, panel, panels, x, row, rows, acc, scratch);
  } else {
    int8_tiles_panels<false>(w, panel, panels, x, row, rows, acc, scratch);
  }
  _tile_release();
}

// ---- bfloat16 ----

void to_bf16(const float* x, int64_t padded, const Bf16Rows& rows, int64_t row) {
  for (int64_t i = 0; i < rows.padded; i += 16) {
    const __m512 v = i < padded ? _mm512_loadu_ps(x + i) : _mm512_setzero_ps();
    const __m256i high = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows.high + row * rows.padded + i), high);
    if (!rows.low) continue;
    const __m512 back = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
    const __m256i low = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_sub_ps(v, back)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows.low + row * rows.padded + i), low);
  }
}

/// Tiles 0-3: sums of 2 x 16 rows x 2 panels; 4, 5: rows [16][32]; 6, 7: weights of a panel [16][16][2].
inline void shape_bf16(int rows0, int rows1) {
  alignas(64) TileShapes s;
  for (int i = 0; i < 8; ++i) s.bytes[i] = 64, s.rows[i] = 16;
  s.rows[0] = s.rows[1] = s.rows[4] = static_cast<uint8_t>(rows0);
  if (rows1) s.rows[2] = s.rows[3] = s.rows[5] = static_cast<uint8_t>(rows1);
  _tile_loadconfig(&s);
}

template <bool Two, bool Pair>
inline void bf16_tile(const uint8_t* w0, const uint8_t* w1, const Bf16Rows& x, int64_t row, int64_t steps, float* acc0,
                      float* acc1) {
  const int64_t ld = x.padded * 2;
  _tile_zero(0);
  if (Pair) _tile_zero(1);
  if (Two) _tile_zero(2);
  if (Two && Pair) _tile_zero(3);
  for (int64_t s = 0; s < steps; ++s) {
    _tile_loadd(6, w0 + s * 1024, 64);
    if (Pair) _tile_loadd(7, w1 + s * 1024, 64);
    const uint16_t* part = x.high + row * x.padded + 32 * s;
    _tile_loadd(4, part, ld);
    _tile_dpbf16ps(0, 4, 6);
    if (Pair) _tile_dpbf16ps(1, 4, 7);
    if (Two) {
      _tile_loadd(5, part + 16 * x.padded, ld);
      _tile_dpbf16ps(2, 5, 6);
      if (Pair) _tile_dpbf16ps(3, 5, 7);
    }
    if (!x.low) continue;
    part = x.low + row * x.padded + 32 * s;
    _tile_loadd(4, part, ld);
    _tile_dpbf16ps(0, 4, 6);
    if (Pair) _tile_dpbf16ps(1, 4, 7);
    if (Two) {
      _tile_loadd(5, part + 16 * x.padded, ld);
      _tile_dpbf16ps(2, 5, 6);
      if (Pair) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, acc0, 64);
  if (Pair) _tile_stored(1, acc1, 64);
  if (Two) _tile_stored(2, acc0 + 256, 64);
  if (Two && Pair) _tile_stored(3, acc1 + 256, 64);
}

void bf16_amx(const Packed& w, int64_t panel, int32_t panels, const Bf16Rows& x, int64_t row, int64_t rows, float* acc,
              void*) {
  const int64_t steps = w.padded_cols / 32;
  for (int64_t r = 0; r < rows; r += 32) {
    const int rows0 = rows - r < 16 ? static_cast<int>(rows - r) : 16;
    const int rows1 = rows - r < 16 ? 0 : rows - r < 32 ? static_cast<int>(rows - r - 16) : 16;
    if (r == 0 || rows0 + rows1 < 32) shape_bf16(rows0, rows1);
    for (int32_t p = 0; p < panels; p += 2) {
      const uint8_t *w0 = w.panel(panel + p), *w1 = w0 + w.panel_bytes;
      float *acc0 = acc + 16 * (rows * p + r), *acc1 = acc0 + 16 * rows;
      const bool pair = p + 1 < panels;
      if (rows1 && pair)
        bf16_tile<true, true>(w0, w1, x, row + r, steps, acc0, acc1);
      else if (rows1)
        bf16_tile<true, false>(w0, w0, x, row + r, steps, acc0, acc0);
      else if (pair)
        bf16_tile<false, true>(w0, w1, x, row + r, steps, acc0, acc1);
      else
        bf16_tile<false, false>(w0, w0, x, row + r, steps, acc0, acc0);
    }
  }
  _tile_release();
}

}  // namespace

extern const linear_kernels::Table linear_table;
const linear_kernels::Table linear_table{unsigned_weights, norm_row,  to_int8,  to_bf16,
                                         int8_amx,         float_all, bf16_amx, epilogue};

}  // namespace owl3::amx
#endif
