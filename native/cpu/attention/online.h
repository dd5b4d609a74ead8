// Attention in blocks of keys with an online softmax: blocked products with sixteen keys or sixteen values of a head in a
// vector. Every sum runs in one order: scores over head_dim, outputs over keys, whatever the number of rows in a tile.
#pragma once
#include "cpu/attention/softmax.h"
#include "cpu/simd/tile.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

struct FromF32 {
  using Type = float;
  static constexpr bool streams = false;  // converted copies, in cache already
  static Lanes at(const float* p) { return load(p); }
};
struct FromF16 {
  using Type = uint16_t;
  static constexpr bool streams = true;  // keys and values as stored, read once
  static Lanes at(const uint16_t* p) { return load_f16(p); }
};

/// c[r][16 g + i] = keep[r] * c (0 without keep) + sum over k < count of a[r][k] * b[k * step + g * group + i]. A
/// stream's next `count` cache lines, from `ahead` on, are fetched into L2 meanwhile: 31 instead of 16 GB/s in decode
/// over 128 crops.
template <int R, int G, class B, bool Keep>
inline void tile(const float* a, int64_t lda, const typename B::Type* b, int64_t step, int64_t group, int32_t count,
                 const float* keep, float* c, int64_t ldc, const char* ahead) {
  Lanes acc[R][G];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) acc[r][g] = Keep ? load(c + r * ldc + 16 * g) * splat(keep[r]) : splat(0.0f);
  }
  multiply_tile(
      acc, count, [&](int r, int64_t i) { return splat(a[r * lda + i]); },
      [&](int g, int64_t i) {
        if (B::streams && g == 0) __builtin_prefetch(ahead + 64 * i, 0, 2);
        return B::at(b + i * step + g * group);
      },
      [](Lanes sum, Lanes y, Lanes x) { return fma(y, x, sum); });
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) store(c + r * ldc + 16 * g, acc[r][g]);
  }
}

template <class B, bool Keep>
struct Product {
  const float* a;
  int64_t lda;
  const typename B::Type* b;
  int64_t step, group;
  int32_t count;
  const float* keep;
  float* c;
  int64_t ldc;
  const char* ahead;

  template <int R>
  void rows(int32_t groups) const {
    int32_t g = 0;
    const char* next = ahead;
    for (; g + tile_groups <= groups; g += tile_groups, next += int64_t{64} * count) {
      tile<R, tile_groups, B, Keep>(a, lda, b + g * group, step, group, count, keep, c + 16 * g, ldc, next);
    }
    for (; g < groups; ++g) tile<R, 1, B, Keep>(a, lda, b + g * group, step, group, count, keep, c + 16 * g, ldc, next);
  }
  template <int R = tile_rows>
  void run(int32_t n, int32_t groups) const {
    if (n == R) {
      rows<R>(groups);
    } else if constexpr (R > 1) {
      run<R - 1>(n, groups);
    }
  }
};

/// Query rows with their softmax states; `width` is head_dim in whole lanes.
struct Queries {
  int32_t count, head_dim, width;
  float* q;               // [count, head_dim], scaled so that scores are exponents of two
  float* out;             // [count, width]
  float* row_max;         // [count]
  float* row_sum;         // [count]
  float* score;           // [tile_rows, key_block]
  const char* next_keys;  // memory to fetch meanwhile
  const char* next_values;
};

inline void clear(const Queries& s, int32_t begin, int32_t end) {
  for (int32_t i = begin; i < end; ++i) {
    s.row_max[i] = minus_infinity;
    s.row_sum[i] = 0.0f;
    for (int32_t d = 0; d < s.width; d += 16) store(s.out + static_cast<int64_t>(i) * s.width + d, splat(0.0f));
  }
}

/// One block of keys: query i sees the first seen[i]. k: groups of sixteen keys, [head_dim][16] each, `group` apart; v
/// rows are `ldv` apart.
template <class B>
inline void attend(const Queries& s, const int32_t* seen, const typename B::Type* k, int64_t group,
                   const typename B::Type* v, int64_t ldv) {
  for (int32_t i = 0; i < s.count; i += tile_rows) {
    const int32_t n = s.count - i < tile_rows ? s.count - i : tile_rows;
    int32_t max_seen = 0;
    for (int32_t r = 0; r < n; ++r) max_seen = seen[i + r] > max_seen ? seen[i + r] : max_seen;
    if (max_seen == 0) continue;
    const int32_t groups = (max_seen + 15) / 16;
    const float* q = s.q + static_cast<int64_t>(i) * s.head_dim;
    Product<B, false>{.a = q,
                      .lda = s.head_dim,
                      .b = k,
                      .step = 16,
                      .group = group,
                      .count = s.head_dim,
                      .keep = nullptr,
                      .c = s.score,
                      .ldc = key_block,
                      .ahead = s.next_keys}
        .run(n, groups);
    float shrink[tile_rows];
    for (int32_t r = 0; r < n; ++r) {
      shrink[r] = online_softmax(s.score + r * key_block, seen[i + r], groups, s.row_max[i + r], s.row_sum[i + r]);
    }
    float* out = s.out + static_cast<int64_t>(i) * s.width;
    Product<B, true>{.a = s.score,
                     .lda = key_block,
                     .b = v,
                     .step = ldv,
                     .group = 16,
                     .count = max_seen,
                     .keep = shrink,
                     .c = out,
                     .ldc = s.width,
                     .ahead = s.next_values}
        .run(n, s.width / 16);
  }
}

/// A query times log2(e), so that exp2 serves for exp, and by the scale of the scores.
inline void scale_query(const float* q, int32_t head_dim, float* to) {
  const float factor = log2_e / __builtin_sqrtf(static_cast<float>(head_dim));
  for (int32_t d = 0; d < head_dim; ++d) to[d] = q[d] * factor;
}

inline Queries partition_queries(Partition& memory, int32_t head_dim) {
  const int32_t width = static_cast<int32_t>(round_up(head_dim, 16));
  return {.count = 0,
          .head_dim = head_dim,
          .width = width,
          .q = memory.take<float>(static_cast<int64_t>(tile_queries) * head_dim),
          .out = memory.take<float>(static_cast<int64_t>(tile_queries) * width),
          .row_max = memory.take<float>(tile_queries),
          .row_sum = memory.take<float>(tile_queries),
          .score = memory.take<float>(tile_rows * key_block),
          .next_keys = nullptr,
          .next_values = nullptr};
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
