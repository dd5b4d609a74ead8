// GEMV of int8 activations: the products of few rows with quantised weights. Instruction sets differ in Lanes and in the
// sums of products of four bytes.
#include "cpu/gemm/records.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

/// Quads i and i + 4 of a block, i < 4. `flip` turns the sign bits of whole bytes.
template <DType T>
inline void two_quads(const uint8_t* low, const uint8_t* high, int i, uint16_t flip, Quad& a, Quad& b) {
  constexpr Layout l = Record<T>::layout();
#pragma GCC unroll 4
  for (int part = 0; part < quad_parts; ++part) {
    const int at = part * vector_bytes;
    const Pairs n = *reinterpret_cast<const Pairs*>(low + 64 * i + at);
    if constexpr (l.low_bits == 8) {
      a.v[part] = n ^ flip;
      b.v[part] = *reinterpret_cast<const Pairs*>(low + 64 * (i + 4) + at) ^ flip;
      continue;
    }
    a.v[part] = n & 0x0f0f;
    b.v[part] = n >> 4 & 0x0f0f;
    if constexpr (l.high_bits == 1) {
      const Pairs h = *reinterpret_cast<const Pairs*>(high + at);
      a.v[part] |= h << (4 - i) & 0x1010;
      b.v[part] |= (i == 0 ? h : h >> i) & 0x1010;
    }
    if constexpr (l.high_bits == 2) {
      const Pairs h = *reinterpret_cast<const Pairs*>(high + i % 2 * 64 + at);
      a.v[part] |= (i < 2 ? h << 4 : h << 2) & 0x3030;
      b.v[part] |= (i < 2 ? h : h >> 2) & 0x3030;
    }
  }
}

/// `blocks` blocks of a panel's records, and some rows: start [rows][ldstart] has 32 / group entries for each block.
struct Int8Task {
  const uint8_t* record;
  int64_t blocks;
  uint16_t flip;
  const int8_t* q;
  int64_t ldq;
  const float* scale;
  const float* negsum;
  int64_t ldscale;
  const int32_t* start;
  int64_t ldstart;
  float* acc;
};

/// R rows of a task.
template <DType T, int R, Fetch F>
inline void int8_records(const Int8Task& t) {
  const auto [record_begin, blocks, flip, q, ldq, scale, negsum, ldscale, start, ldstart, acc] = t;
  const uint8_t* record = record_begin;
  constexpr Layout l = Record<T>::layout();
  constexpr int groups = 32 / l.group, record_blocks = l.step / 32;
  constexpr int bits = dot_bits(l.low_bits + l.high_bits);
  Lanes a[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) a[r] = load(acc + 16 * r);
  for (int64_t b0 = 0; b0 < blocks; b0 += record_blocks, record += l.bytes) {
    const RecordFactors factors = record_factors<T>(record);
#pragma GCC unroll 2
    for (int i = 0; i < record_blocks; ++i) {
      const int64_t b = b0 + i;
      fetch<T, R, F, l.bytes / record_blocks>(record + i * (l.bytes / record_blocks));
      const uint8_t *low = record + l.low_at + l.low_block * i, *high = record + l.high_at + l.high_block * i;
      Lanes s[groups], min;
      block_scales<T>(record, i, factors, s);
      if constexpr (l.mins) min = block_min<T>(record, i, factors);
      Sums sums[R][2];
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const int32_t* from = start + r * ldstart + groups * b;
        sums[r][0] = start_sums(l.offset ? from[0] : 0);
        sums[r][1] = start_sums(l.offset && groups == 2 ? from[1] : 0);
      }
#pragma GCC unroll 4
      for (int quad = 0; quad < 4; ++quad) {
        Quad w0, w1;
        two_quads<T>(low, high, quad, flip, w0, w1);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          const int8_t* x = q + r * ldq + 32 * b + 4 * quad;
          sums[r][0] = dot<bits>(sums[r][0], w0, x, quad);
          sums[r][1] = dot<bits>(sums[r][1], w1, x + 16, quad);
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const Lanes xs = splat(scale[r * ldscale + b]);
        if constexpr (groups == 1) {
          a[r] = fma(to_lanes(sums[r][0] + sums[r][1]), s[0] * xs, a[r]);
        } else {
          a[r] = fma(to_lanes(sums[r][0]), s[0] * xs, a[r]);
          a[r] = fma(to_lanes(sums[r][1]), s[1] * xs, a[r]);
        }
        if constexpr (l.mins) a[r] = fma(min, splat(negsum[r * ldscale + b]), a[r]);
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) store(acc + 16 * r, a[r]);
}

/// Takes as many of the `rows` rows that are left as the registers hold; returns their number.
template <DType T, Fetch F>
inline int64_t int8_rows_of(int64_t rows, const Int8Task& t) {
  if constexpr (gemv_tile_rows >= 4) {
    if (rows >= 4) {
      int8_records<T, 4, F>(t);
      return 4;
    }
    if (rows == 3) {
      int8_records<T, 3, F>(t);
      return 3;
    }
  }
  if (rows >= 2) {
    int8_records<T, 2, F>(t);
    return 2;
  }
  int8_records<T, 1, F>(t);
  return 1;
}

/// The initial sums of each block, which cancel the weights' offset.
template <int Groups>
inline void offset_starts(const Int8Rows& x, int64_t row, int64_t rows, int64_t block, int64_t blocks, int32_t offset,
                          int32_t* start, int64_t ldstart) {
  for (int64_t r = 0; r < rows; ++r, start += ldstart) {
    const int32_t* sums = x.sum + ((row + r) * (x.padded / 32) + block) * 2;
    for (int64_t i = 0; i < Groups * blocks; ++i)
      start[i] = -offset * (Groups == 2 ? sums[i] : sums[2 * i] + sums[2 * i + 1]);
  }
}

template <DType T, Fetch F>
inline void int8_type(const Packed& w, int64_t panel, int32_t panels, const Int8Rows& x, int64_t row, int64_t rows,
                      float* acc, int32_t* start) {
  constexpr Layout l = Record<T>::layout();
  constexpr int groups = 32 / l.group;
  // Blocks whose starts fit the scratch: a panel's run is cut only where it must be, since each cut costs what was fetched
  // ahead.
  const int64_t span = scratch_bytes / static_cast<int64_t>(sizeof(int32_t)) / (groups * rows) / 8 * 8;
  const int64_t ldstart = groups * span;
  constexpr bool offset_in = l.low_bits < 8 || unsigned_weights;
  const uint16_t flip = l.low_bits == 8 && w.unsigned_q8 != unsigned_weights ? 0x8080 : 0;
  const int64_t ldacc = sums_stride(rows), all = w.padded_cols / 32, ldscale = x.padded / 32;
  for (int32_t p = 0; p < panels; ++p) {
    for (int64_t i = 0; i < 16 * rows; ++i) acc[ldacc * p + i] = 0;
  }
  // More rows than the registers hold take turns while a record is in L1.
  const int64_t step = rows <= gemv_tile_rows ? span : 8;
  for (int64_t first = 0; first < all; first += span) {
    const int64_t end = all - first < span ? all : first + span;
    if constexpr (l.offset != 0)
      offset_starts<groups>(x, row, rows, first, end - first, offset_in ? l.offset : 0, start, ldstart);
    for (int32_t p = 0; p < panels; ++p) {
      for (int64_t b = first; b < end; b += step) {
        const int64_t n = end - b < step ? end - b : step;
        const uint8_t* record = panel_at(w, panel + p) + b * 32 / l.step * l.bytes;
        for (int64_t r = 0; r < rows;) {
          const int64_t at = (row + r) * ldscale + b;
          r += int8_rows_of<T, F>(rows - r, {.record = record,
                                             .blocks = n,
                                             .flip = flip,
                                             .q = x.q + (row + r) * x.padded + 32 * b,
                                             .ldq = x.padded,
                                             .scale = x.scale + at,
                                             .negsum = x.negsum + at,
                                             .ldscale = ldscale,
                                             .start = start + r * ldstart + groups * (b - first),
                                             .ldstart = ldstart,
                                             .acc = acc + ldacc * p + 16 * r});
        }
      }
    }
  }
}

template <Fetch F>
inline void int8_gemv(const Packed& w, int64_t panel, int32_t panels, const Int8Rows& x, int64_t row, int64_t rows,
                      float* acc, void* scratch) {
  for_quantised(w.type, [&](auto format) {
    constexpr Layout l = Record<format.type>::layout();
    if constexpr (dot_bits(l.low_bits + l.high_bits) > 0)
      int8_type<format.type, F>(w, panel, panels, x, row, rows, acc, static_cast<int32_t*>(scratch));
  });
}

}  // namespace

extern const gemm::ByFetch<gemm::Int8Rows> gemv_int8;
const gemm::ByFetch<gemm::Int8Rows> gemv_int8{.pages = int8_gemv<Fetch::pages>, .lines = int8_gemv<Fetch::lines>};

}  // namespace owl3::cpu::OWL3_ISA
