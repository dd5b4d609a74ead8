// The kernels of vector_kernels.h, written once: compiled by vector_<isa>.cpp in that instruction set's namespace
// (lanes/lanes.h says why). What differs are Lanes and the sums of products of four bytes (vector/<isa>.h).
#pragma once
#include "cpu/gemm/gemv.h"
#include "cpu/simd/simd.h"

namespace owl3::OWL3_LANES {

#if defined(OWL3_LANES_AVX512)
#define OWL3_VECTOR_BYTES 64
#elif defined(OWL3_LANES_AVX2)
#define OWL3_VECTOR_BYTES 32
#else
#define OWL3_VECTOR_BYTES 16
#endif
// Shifts work on 16 bits at a time: masks cut off what comes from the byte beside.
typedef uint16_t Pairs __attribute__((vector_size(OWL3_VECTOR_BYTES), may_alias));
constexpr int quad_parts = 64 / OWL3_VECTOR_BYTES;
/// Four columns of a panel's sixteen outputs: one byte each.
struct Quad {
  Pairs v[quad_parts];
};

}  // namespace owl3::OWL3_LANES

#if defined(OWL3_LANES_AVX512)
#include "cpu/simd/gemv_avx512.h"
#elif defined(OWL3_LANES_AVX2)
#include "cpu/simd/gemv_avx2.h"
#else
#include "cpu/simd/gemv_neon.h"
#endif

namespace owl3::OWL3_LANES {

using vector_kernels::Fetch;

/// Fetches what is read some KiB later. The processor does that itself, except across pages of 4 KiB; it loses the
/// track where a record is read in several places at once, and where much is computed between two reads (measured on
/// Zen 4: Q6_K goes from 24 to 51 GB/s, four rows of Q4_K from 30 to 34; there, fetching every line elsewhere costs
/// more than it brings. A Xeon with AMX profits everywhere: one row of Q4_K goes from 19 to 25 GB/s).
template <DType T, int R, Fetch F, int64_t Bytes>
inline void fetch(const uint8_t* p) {
  constexpr bool scattered = T == DType::q5_0 || T == DType::q5_k || T == DType::q6_k;
  constexpr bool lines = F == Fetch::lines || scattered || R > 1;
#pragma GCC unroll 10
  for (int64_t i = 0; i < Bytes; i += lines ? 64 : 512) __builtin_prefetch(p + (lines ? 8192 : 4096) + i, 0, 2);
}

/// Quads i and i + 4 of a block, i < 4.
template <DType T>
inline void two_quads(const uint8_t* low, const uint8_t* high, int i, uint16_t flip, Quad& a, Quad& b) {
#pragma GCC unroll 4
  for (int part = 0; part < quad_parts; ++part) {
    const int at = part * OWL3_VECTOR_BYTES;
    const Pairs n = *reinterpret_cast<const Pairs*>(low + 64 * i + at);
    if constexpr (T == DType::q8_0) {
      a.v[part] = n ^ flip;
      b.v[part] = *reinterpret_cast<const Pairs*>(low + 64 * (i + 4) + at) ^ flip;
      continue;
    }
    a.v[part] = n & 0x0f0f;
    b.v[part] = n >> 4 & 0x0f0f;
    if constexpr (T == DType::q5_0 || T == DType::q5_k) {
      const Pairs h = *reinterpret_cast<const Pairs*>(high + at);
      a.v[part] |= h << (4 - i) & 0x1010;
      b.v[part] |= (i == 0 ? h : h >> i) & 0x1010;
    }
    if constexpr (T == DType::q6_k) {
      const Pairs h = *reinterpret_cast<const Pairs*>(high + i % 2 * 64 + at);
      a.v[part] |= (i < 2 ? h << 4 : h << 2) & 0x3030;
      b.v[part] |= (i < 2 ? h : h >> 2) & 0x3030;
    }
  }
}

/// R rows times `blocks` blocks of a panel's records; start [R][ldstart] has 32 / group entries a block.
template <DType T, int R, Fetch F>
inline void int8_records(const uint8_t* record, int64_t blocks, uint16_t flip, const int8_t* q, int64_t ldq,
                         const float* scale, const float* negsum, int64_t ldscale, const int32_t* start,
                         int64_t ldstart, float* acc) {
  constexpr Layout l = layout_of(T);
  constexpr int groups = 32 / l.group, record_blocks = l.step / 32;
  constexpr bool whole = T == DType::q8_0;
  Lanes a[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) a[r] = load(acc + 16 * r);
  for (int64_t b0 = 0; b0 < blocks; b0 += record_blocks, record += l.record) {
    Lanes d, dmin;
    if constexpr (l.step == 256) d = load_f16(reinterpret_cast<const uint16_t*>(record));
    if constexpr (l.mins) dmin = load_f16(reinterpret_cast<const uint16_t*>(record + dmin_at));
#pragma GCC unroll 2
    for (int i = 0; i < record_blocks; ++i) {
      const int64_t b = b0 + i;
      fetch<T, R, F, l.record / record_blocks>(record + i * (l.record / record_blocks));
      const uint8_t *low, *high = nullptr;
      Lanes s[groups], min;
      if constexpr (l.step == 64) {
        low = record + q_at_32 + (whole ? 512 : 256) * i;
        high = record + high_at_32 + 64 * i;
        s[0] = load_f16(reinterpret_cast<const uint16_t*>(record + 32 * i));
      } else {
        low = record + q_at_k + 256 * i;
        high = record + high_at_k + (T == DType::q6_k ? 128 : 64) * i;
#pragma GCC unroll 2
        for (int g = 0; g < groups; ++g)
          s[g] = d * load_i8(reinterpret_cast<const int8_t*>(record + scale_at + 16 * (groups * i + g)));
      }
      if constexpr (l.mins) min = dmin * load_i8(reinterpret_cast<const int8_t*>(record + min_at + 16 * i));
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

/// What the sums of each block start from: the weights' offset taken off again.
template <int Groups>
inline void offset_starts(const IntRows& x, int64_t row, int64_t rows, int64_t block, int64_t blocks, int32_t offset,
                          int32_t* start, int64_t ldstart) {
  for (int64_t r = 0; r < rows; ++r, start += ldstart) {
    const int32_t* sums = x.sum + ((row + r) * (x.padded / 32) + block) * 2;
    for (int64_t i = 0; i < Groups * blocks; ++i)
      start[i] = -offset * (Groups == 2 ? sums[i] : sums[2 * i] + sums[2 * i + 1]);
  }
}

template <DType T, Fetch F>
inline void int8_type(const Packed& w, int64_t panel, int32_t panels, const IntRows& x, int64_t row, int64_t rows,
                      float* acc, int32_t* start) {
  constexpr Layout l = layout_of(T);
  constexpr int groups = 32 / l.group;
  constexpr int64_t span = 256, ldstart = groups * span;  // blocks whose starts fit the scratch
  static_assert(vector_kernels::most_rows * ldstart * 4 <= linear_kernels::scratch_bytes);
  constexpr bool offset_in = T != DType::q8_0 || unsigned_bytes;
  const uint16_t flip = T == DType::q8_0 && w.unsigned_q8 != unsigned_bytes ? 0x8080 : 0;
  const int64_t ldacc = linear_kernels::sums_stride(rows), all = w.padded_cols / 32, ldscale = x.padded / 32;
  for (int32_t p = 0; p < panels; ++p) {
    for (int64_t i = 0; i < 16 * rows; ++i) acc[ldacc * p + i] = 0;
  }
  // More rows than the registers hold take turns while a record is in L1.
  const int64_t step = rows <= rows_at_once ? span : 8;
  for (int64_t first = 0; first < all; first += span) {
    const int64_t end = all - first < span ? all : first + span;
    if constexpr (l.offset != 0)
      offset_starts<groups>(x, row, rows, first, end - first, offset_in ? l.offset : 0, start, ldstart);
    for (int32_t p = 0; p < panels; ++p) {
      for (int64_t b = first; b < end; b += step) {
        const int64_t n = end - b < step ? end - b : step;
        const uint8_t* record = w.panel(panel + p) + b * 32 / l.step * l.record;
        for (int64_t r = 0; r < rows;) {
          const auto tile = [&]<int R>() {
            int8_records<T, R, F>(record, n, flip, x.q + (row + r) * x.padded + 32 * b, x.padded,
                                  x.scale + (row + r) * ldscale + b, x.negsum + (row + r) * ldscale + b, ldscale,
                                  start + r * ldstart + groups * (b - first), ldstart, acc + ldacc * p + 16 * r);
            r += R;
          };
          if (rows_at_once >= 4 && rows - r >= 4)
            tile.template operator() < rows_at_once<4 ? 1 : 4>();
          else if (rows_at_once >= 4 && rows - r == 3)
            tile.template operator() < rows_at_once<4 ? 1 : 3>();
          else if (rows - r >= 2)
            tile.template operator()<2>();
          else
            tile.template operator()<1>();
        }
      }
    }
  }
}

template <Fetch F>
inline void int8_vector(const Packed& w, int64_t panel, int32_t panels, const IntRows& x, int64_t row, int64_t rows,
                        float* acc, void* scratch) {
  auto* start = static_cast<int32_t*>(scratch);
  switch (w.type) {
    case DType::q8_0:
      return int8_type<DType::q8_0, F>(w, panel, panels, x, row, rows, acc, start);
    case DType::q4_0:
      return int8_type<DType::q4_0, F>(w, panel, panels, x, row, rows, acc, start);
    case DType::q5_0:
      return int8_type<DType::q5_0, F>(w, panel, panels, x, row, rows, acc, start);
    case DType::q4_k:
      return int8_type<DType::q4_k, F>(w, panel, panels, x, row, rows, acc, start);
    case DType::q5_k:
      return int8_type<DType::q5_k, F>(w, panel, panels, x, row, rows, acc, start);
    case DType::q6_k:
      return int8_type<DType::q6_k, F>(w, panel, panels, x, row, rows, acc, start);
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      return;
  }
}

// ---- float ----

/// R rows times P panels that are `ldw` bytes apart, n columns (a multiple of two).
template <DType T, int R, int P>
inline void float_records(const uint8_t* w, int64_t ldw, const float* x, int64_t ldx, int64_t n, float* acc,
                          int64_t ldacc) {
  constexpr int64_t pair = layout_of(T).record / 16;  // bytes of two columns
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

template <DType T>
inline void float_type(const Packed& w, int64_t panel, int32_t panels, const FloatRows& x, int64_t row, int64_t rows,
                       float* acc) {
  constexpr int64_t column = layout_of(T).record / layout_of(T).step;  // bytes
  const int64_t ldacc = linear_kernels::sums_stride(rows);
  for (int32_t p = 0; p < panels; ++p) {
    for (int64_t i = 0; i < 16 * rows; ++i) acc[ldacc * p + i] = 0;
  }
  const int64_t step = rows <= rows_at_once ? x.padded : 128;
  // A sum is one chain of products: several panels at once hide its latency.
  for (int32_t p = 0; p < panels;) {
    int32_t taken = 1;
    for (int64_t k = 0; k < x.padded; k += step) {
      const int64_t n = x.padded - k < step ? x.padded - k : step;
      for (int64_t r = 0; r < rows;) {
        const auto tile = [&]<int R, int P>() {
          float_records<T, R, P>(w.panel(panel + p) + k * column, w.panel_bytes, x.x + (row + r) * x.padded + k,
                                 x.padded, n, acc + ldacc * p + 16 * r, ldacc);
          r += R;
          taken = P;
        };
        const bool wide = panels - p >= 4, one = panels - p == 1;
        if (rows_at_once >= 4 && rows - r >= 4)
          wide  ? tile.template operator() < rows_at_once<4 ? 1 : 4, 4>()
          : one ? tile.template operator() < rows_at_once<4 ? 1 : 4, 1>()
                : tile.template operator() < rows_at_once<4 ? 1 : 4, 2>();
        else if (rows - r >= 2)
          wide  ? tile.template operator()<2, 4>()
          : one ? tile.template operator()<2, 1>()
                : tile.template operator()<2, 2>();
        else
          wide  ? tile.template operator()<1, 4>()
          : one ? tile.template operator()<1, 1>()
                : tile.template operator()<1, 2>();
      }
    }
    p += taken;
  }
}

inline void float_vector(const Packed& w, int64_t panel, int32_t panels, const FloatRows& x, int64_t row, int64_t rows,
                         float* acc, void*) {
  if (w.type == DType::f32) float_type<DType::f32>(w, panel, panels, x, row, rows, acc);
  if (w.type == DType::f16) float_type<DType::f16>(w, panel, panels, x, row, rows, acc);
  if (w.type == DType::bf16) float_type<DType::bf16>(w, panel, panels, x, row, rows, acc);
}

constexpr vector_kernels::Tables tables{{int8_vector<Fetch::pages>, float_vector},
                                        {int8_vector<Fetch::lines>, float_vector}};

}  // namespace owl3::OWL3_LANES
