// GEMV: the products of few rows. What differs between instruction sets are Lanes and the sums of products of four bytes.
#include "cpu/gemm/formats.h"
#include "cpu/gemm/kernels.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

using namespace gemm;

/// Fetches what is read some KiB later. The processor does that itself, except across pages of 4 KiB; it loses the
/// track where a record is read in several places at once, and where much is computed between two reads (measured on
/// Zen 4: Q6_K goes from 24 to 51 GB/s, four rows of Q4_K from 30 to 34; there, fetching every line elsewhere costs
/// more than it brings. A Xeon with AMX profits everywhere: one row of Q4_K goes from 19 to 25 GB/s).
template <DType T, int R, Fetch F, int64_t Bytes>
inline void fetch(const uint8_t* p) {
  constexpr bool scattered = Record<T>::layout().high_bits > 0;
  constexpr bool lines = F == Fetch::lines || scattered || R > 1;
#pragma GCC unroll 10
  for (int64_t i = 0; i < Bytes; i += lines ? 64 : 512) __builtin_prefetch(p + (lines ? 8192 : 4096) + i, 0, 2);
}

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
  constexpr bool whole = l.low_bits == 8;
  Lanes a[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) a[r] = load(acc + 16 * r);
  for (int64_t b0 = 0; b0 < blocks; b0 += record_blocks, record += l.bytes) {
    Lanes d, dmin;
    if constexpr (l.step == 256) d = load_f16(reinterpret_cast<const uint16_t*>(record));
    if constexpr (l.mins) dmin = load_f16(reinterpret_cast<const uint16_t*>(record + l.dmin_at));
#pragma GCC unroll 2
    for (int i = 0; i < record_blocks; ++i) {
      const int64_t b = b0 + i;
      fetch<T, R, F, l.bytes / record_blocks>(record + i * (l.bytes / record_blocks));
      const uint8_t *low = record + l.low_at + l.low_block * i, *high = record + l.high_at + l.high_block * i;
      Lanes s[groups], min;
      if constexpr (l.step == 64) {
        s[0] = load_f16(reinterpret_cast<const uint16_t*>(record + 32 * i));
      } else {
#pragma GCC unroll 2
        for (int g = 0; g < groups; ++g)
          s[g] = d * load_i8(reinterpret_cast<const int8_t*>(record + l.scale_at + 16 * (groups * i + g)));
      }
      if constexpr (l.mins) min = dmin * load_i8(reinterpret_cast<const int8_t*>(record + l.min_at + 16 * i));
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
          sums[r][0] = dot<whole>(sums[r][0], w0, x);
          sums[r][1] = dot<whole>(sums[r][1], w1, x + 16);
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

/// As many rows of a task as the registers hold, of `rows` that are left; returns how many.
template <DType T, Fetch F>
inline int64_t int8_rows_of(int64_t rows, const Int8Task& t) {
  if constexpr (gemv_tile_rows >= 4) {
    if (rows >= 4) return int8_records<T, 4, F>(t), 4;
    if (rows == 3) return int8_records<T, 3, F>(t), 3;
  }
  if (rows >= 2) return int8_records<T, 2, F>(t), 2;
  return int8_records<T, 1, F>(t), 1;
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
  constexpr int64_t span = 256, ldstart = groups * span;  // blocks whose starts fit the scratch
  static_assert(max_gemv_rows * ldstart * 4 <= scratch_bytes);
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
    int8_type<format.type, F>(w, panel, panels, x, row, rows, acc, static_cast<int32_t*>(scratch));
  });
}

// ---- float ----

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

/// R rows of one to four panels; returns how many panels.
template <DType T, int R>
inline int32_t f32_panels(int32_t panels, const uint8_t* w, int64_t ldw, const float* x, int64_t ldx, int64_t n,
                          float* acc, int64_t ldacc) {
  if (panels >= 4) return f32_records<T, R, 4>(w, ldw, x, ldx, n, acc, ldacc), 4;
  if (panels >= 2) return f32_records<T, R, 2>(w, ldw, x, ldx, n, acc, ldacc), 2;
  return f32_records<T, R, 1>(w, ldw, x, ldx, n, acc, ldacc), 1;
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

extern const gemm::GemvByFetch gemv_kernels;
const gemm::GemvByFetch gemv_kernels{.pages = {.int8 = int8_gemv<Fetch::pages>, .f32 = f32_gemv},
                                     .lines = {.int8 = int8_gemv<Fetch::lines>, .f32 = f32_gemv}};

}  // namespace owl3::cpu::OWL3_ISA
