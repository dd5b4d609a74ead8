// The attention kernels, compiled once an instruction set (OWL3_LANES): blocked products and an online softmax
// (FlashAttention, arXiv 2205.14135) with sixteen keys or sixteen values of a head in a vector.
//
// Every sum runs in one order: scores over head_dim, outputs over keys, whatever the number of rows in a tile.
#pragma once
#include <cstring>

#include "cpu/attention.h"
#include "cpu/kv_layout.h"
#include "cpu/lanes/lanes.h"

namespace owl3::OWL3_LANES {
namespace {

using attention::key_block;
using attention::round_up;
using attention::tile_queries;

constexpr float minus_infinity = -__builtin_huge_valf();
constexpr float log2_e = 1.44269504088896341f;

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
  for (int32_t k = 0; k < count; ++k) {
    if constexpr (B::streams) __builtin_prefetch(ahead + int64_t{64} * k, 0, 2);
    Lanes x[G];
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) x[g] = B::at(b + k * step + g * group);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Lanes y = splat(a[r * lda + k]);
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) acc[r][g] = fma(y, x[g], acc[r][g]);
    }
  }
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

/// Scores of one row (in powers of two) to weights in place; updates the running maximum and sum and returns the factor
/// by which what was summed before shrinks.
inline float soften(float* s, int32_t seen, int32_t groups, float& top, float& total) {
  if (seen <= 0) {
    for (int32_t g = 0; g < groups; ++g) store(s + 16 * g, splat(0.0f));
    return 1.0f;
  }
  Lanes peak = splat(minus_infinity);
  for (int32_t g = 0; g < groups; ++g) {
    Lanes x = load(s + 16 * g);
    const int32_t left = seen - 16 * g;
    if (left < 16) {
      x = first(x, minus_infinity, left < 0 ? 0 : left);
      store(s + 16 * g, x);
    }
    peak = max(peak, x);
  }
  const float now = largest(peak), next = now > top ? now : top;
  float shrink[16];
  store(shrink, exp2_lanes(splat(top - next)));
  const Lanes shift = splat(next);
  Lanes weights = splat(0.0f);
  for (int32_t g = 0; g < groups; ++g) {
    const Lanes p = exp2_lanes(load(s + 16 * g) - shift);
    store(s + 16 * g, p);
    weights = weights + p;
  }
  total = total * shrink[0] + sum(weights);
  top = next;
  return shrink[0];
}

/// Query rows with their softmax states; `width` is head_dim in whole lanes.
struct Queries {
  int32_t count, head_dim, width;
  float* q;               // [count, head_dim], scaled so that scores are exponents of two
  float* out;             // [count, width]
  float* top;             // [count]
  float* total;           // [count]
  float* score;           // [tile_rows, key_block]
  const char* next_keys;  // memory to fetch meanwhile
  const char* next_values;
};

inline void clear(const Queries& s, int32_t begin, int32_t end) {
  for (int32_t i = begin; i < end; ++i) {
    s.top[i] = minus_infinity;
    s.total[i] = 0.0f;
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
    int32_t most = 0;
    for (int32_t r = 0; r < n; ++r) most = seen[i + r] > most ? seen[i + r] : most;
    if (most == 0) continue;
    const int32_t groups = (most + 15) / 16;
    const float* q = s.q + static_cast<int64_t>(i) * s.head_dim;
    Product<B, false>{q, s.head_dim, k, 16, group, s.head_dim, nullptr, s.score, key_block, s.next_keys}.run(n, groups);
    float shrink[tile_rows];
    for (int32_t r = 0; r < n; ++r) {
      shrink[r] = soften(s.score + r * key_block, seen[i + r], groups, s.top[i + r], s.total[i + r]);
    }
    float* out = s.out + static_cast<int64_t>(i) * s.width;
    Product<B, true>{s.score, key_block, v, ldv, 16, most, shrink, out, s.width, s.next_values}.run(n, s.width / 16);
  }
}

inline void scale_query(const float* q, int32_t head_dim, float* to) {
  const float factor = log2_e / __builtin_sqrtf(static_cast<float>(head_dim));
  for (int32_t d = 0; d < head_dim; ++d) to[d] = q[d] * factor;
}

inline void write_output(const float* sum, float total, int32_t head_dim, float* out) {
  const float factor = 1.0f / total;
  for (int32_t d = 0; d < head_dim; ++d) out[d] = sum[d] * factor;
}

/// to += from, both with their own maxima: `to` may be empty (maximum -infinity, all zeros).
inline void merge_state(float& top, float& total, float* out, float from_top, float from_total, const float* from,
                        int32_t width) {
  const float next = from_top > top ? from_top : top;
  float a[16], b[16];
  store(a, exp2_lanes(splat(top - next)));
  store(b, exp2_lanes(splat(from_top - next)));
  total = total * a[0] + from_total * b[0];
  top = next;
  for (int32_t d = 0; d < width; d += 16) store(out + d, fma(load(out + d), splat(a[0]), load(from + d) * splat(b[0])));
}

/// Takes memory from a scratch block, every piece on a cache line.
struct Carve {
  char* at;
  template <class T>
  T* take(int64_t n) {
    T* p = reinterpret_cast<T*>(at);
    at += round_up(n * static_cast<int64_t>(sizeof(T)), 64);
    return p;
  }
};

inline Queries carve_queries(Carve& memory, int32_t head_dim) {
  const int32_t width = static_cast<int32_t>(round_up(head_dim, 16));
  return {0,
          head_dim,
          width,
          memory.take<float>(static_cast<int64_t>(tile_queries) * head_dim),
          memory.take<float>(static_cast<int64_t>(tile_queries) * width),
          memory.take<float>(tile_queries),
          memory.take<float>(tile_queries),
          memory.take<float>(tile_rows * key_block),
          nullptr,
          nullptr};
}

#ifndef OWL3_LANES_AVX512  // attention_rows512.h has a faster one
void vision(const attention::VisionTask& t) {
  Carve memory{static_cast<char*>(t.scratch)};
  Queries s = carve_queries(memory, t.head_dim);
  int32_t* seen = memory.take<int32_t>(tile_queries);
  const int32_t groups = (t.tokens + 15) / 16;
  const int64_t group = static_cast<int64_t>(t.head_dim) * 16;
  float* k = memory.take<float>(groups * group);
  float* v = memory.take<float>(static_cast<int64_t>(t.tokens) * s.width);
  for (int32_t g = 0; g < groups; ++g) {
    for (int32_t i = 0; i < 16; ++i) {
      const int32_t token = 16 * g + i;
      for (int32_t d = 0; d < t.head_dim; ++d)
        k[g * group + 16 * d + i] = token < t.tokens ? t.k[token * t.ld + d] : 0.0f;
    }
  }
  for (int32_t i = 0; i < t.tokens; ++i) {
    for (int32_t d = 0; d < s.width; ++d)
      v[static_cast<int64_t>(i) * s.width + d] = d < t.head_dim ? t.v[i * t.ld + d] : 0.0f;
  }
  for (int32_t row = t.row_begin; row < t.row_end; row += tile_queries) {
    s.count = t.row_end - row < tile_queries ? t.row_end - row : tile_queries;
    for (int32_t i = 0; i < s.count; ++i)
      scale_query(t.q + (row + i) * t.ld, t.head_dim, s.q + static_cast<int64_t>(i) * t.head_dim);
    clear(s, 0, s.count);
    for (int32_t key = 0; key < t.tokens; key += key_block) {
      const int32_t n = t.tokens - key < key_block ? t.tokens - key : key_block;
      for (int32_t i = 0; i < s.count; ++i) seen[i] = n;
      attend<FromF32>(s, seen, k + key / 16 * group, group, v + static_cast<int64_t>(key) * s.width, s.width);
    }
    for (int32_t i = 0; i < s.count; ++i) {
      write_output(s.out + static_cast<int64_t>(i) * s.width, s.total[i], t.head_dim, t.out + (row + i) * t.ld_out);
    }
  }
}
#endif

/// Keys [key, key + n) of a head as f32 groups of sixteen (lanes past the block's capacity 0). key is a multiple of 16.
inline void keys_to_f32(const ops::KvBlock& b, int32_t head, int32_t head_dim, int32_t key, int32_t n, float* to) {
  for (int32_t g = key / 16; g * 16 < key + n; ++g, to += static_cast<int64_t>(head_dim) * 16) {
    const int32_t w = kv::group_width(b, g);
    const void* from = kv::key_group(b, head, head_dim, g);
    if (b.type == ops::KvType::q8_0) {
      for (int32_t d = 0; d < head_dim; d += 32) {
        const uint16_t* scales = kv::key_scales(from, w, d / 32);
        const int8_t* values = kv::key_values(from, w, d / 32);
        if (w == 16) {
          const Lanes scale = load_f16(scales);
          for (int32_t i = 0; i < 32; ++i) store(to + (d + i) * 16, load_i8(values + i * 16) * scale);
        } else {
          for (int32_t i = 0; i < 32; ++i) {
            for (int32_t lane = 0; lane < 16; ++lane) {
              to[(d + i) * 16 + lane] =
                  lane < w ? static_cast<float>(values[i * w + lane]) * gguf::f16_to_f32(scales[lane]) : 0.0f;
            }
          }
        }
      }
    } else if (w == 16) {
      for (int32_t d = 0; d < head_dim; ++d) {
        store(to + 16 * d, b.type == ops::KvType::f16 ? load_f16(static_cast<const uint16_t*>(from) + 16 * d)
                                                      : load(static_cast<const float*>(from) + 16 * d));
      }
    } else {
      for (int32_t d = 0; d < head_dim; ++d) {
        for (int32_t lane = 0; lane < 16; ++lane) {
          const int32_t at = d * w + lane;
          to[16 * d + lane] = lane >= w                    ? 0.0f
                              : b.type == ops::KvType::f16 ? gguf::f16_to_f32(static_cast<const uint16_t*>(from)[at])
                                                           : static_cast<const float*>(from)[at];
        }
      }
    }
  }
}

/// Values [key, key + n) of a head as f32 rows of `width` (columns past head_dim 0).
inline void values_to_f32(const ops::KvBlock& b, int32_t head, int32_t head_dim, int32_t width, int32_t key, int32_t n,
                          float* to) {
  for (int32_t i = 0; i < n; ++i, to += width) {
    const void* from = kv::value_row(b, head, head_dim, key + i);
    int32_t d = 0;
    if (b.type == ops::KvType::q8_0) {
      for (; d < head_dim; d += 32) {
        uint16_t scale;
        const char* block = static_cast<const char*>(from) + d / 32 * kv::q8_bytes;
        memcpy(&scale, block, sizeof scale);
        const Lanes factor = splat(gguf::f16_to_f32(scale));
        const int8_t* values = reinterpret_cast<const int8_t*>(block + sizeof scale);
        store(to + d, load_i8(values) * factor);
        store(to + d + 16, load_i8(values + 16) * factor);
      }
    } else if (b.type == ops::KvType::f16) {
      const uint16_t* row = static_cast<const uint16_t*>(from);
      for (; d + 16 <= head_dim; d += 16) store(to + d, load_f16(row + d));
      for (; d < head_dim; ++d) to[d] = gguf::f16_to_f32(row[d]);
    } else {
      const float* row = static_cast<const float*>(from);
      for (; d < head_dim; ++d) to[d] = row[d];
    }
    for (; d < width; ++d) to[d] = 0.0f;
  }
}

/// The block as it stands in memory, when it can be read so: whole groups, whole lanes.
template <class B>
inline void attend_in_place(const Queries& s, const int32_t* seen, const ops::KvBlock& b, int32_t head, int32_t key) {
  using Type = typename B::Type;
  attend<B>(s, seen, static_cast<const Type*>(kv::key_group(b, head, s.head_dim, key / 16)),
            static_cast<int64_t>(s.head_dim) * 16, static_cast<const Type*>(kv::value_row(b, head, s.head_dim, key)),
            s.head_dim);
}

void hyper(const attention::HyperTask& t) {
  const ops::AttentionParams& p = *t.params;
  const int32_t head_dim = p.head_dim, heads = p.heads / p.kv_heads, rows = t.rows;
  Carve memory{static_cast<char*>(t.scratch)};
  Queries s = carve_queries(memory, head_dim);
  s.count = rows * heads;
  float* merged = memory.take<float>(static_cast<int64_t>(tile_queries) * s.width);
  float* merged_top = memory.take<float>(tile_queries);
  float* merged_total = memory.take<float>(tile_queries);
  int32_t* seen = memory.take<int32_t>(tile_queries);
  int32_t* row_seen = memory.take<int32_t>(tile_queries);
  int64_t* in_span = memory.take<int64_t>(tile_queries);
  bool* has_merged = memory.take<bool>(tile_queries);
  float* k = memory.take<float>(static_cast<int64_t>(key_block) * head_dim);
  float* v = memory.take<float>(static_cast<int64_t>(key_block) * s.width);

  for (int32_t r = 0; r < rows; ++r) {
    const float* q = p.q + (t.row + r) * p.ldq + static_cast<int64_t>(t.kv_head) * heads * head_dim;
    for (int32_t h = 0; h < heads; ++h) {
      scale_query(q + static_cast<int64_t>(h) * head_dim, head_dim,
                  s.q + static_cast<int64_t>(r * heads + h) * head_dim);
    }
    in_span[r] = 0;
    has_merged[r] = false;
  }
  clear(s, 0, s.count);

  auto merge_row = [&](int32_t r) {
    for (int32_t i = r * heads; i < (r + 1) * heads; ++i) {
      float* to = merged + static_cast<int64_t>(i) * s.width;
      if (!has_merged[r]) {
        merged_top[i] = minus_infinity;
        merged_total[i] = 0.0f;
        for (int32_t d = 0; d < s.width; d += 16) store(to + d, splat(0.0f));
      }
      merge_state(merged_top[i], merged_total[i], to, s.top[i], s.total[i], s.out + static_cast<int64_t>(i) * s.width,
                  s.width);
    }
    has_merged[r] = true;
    clear(s, r * heads, (r + 1) * heads);
  };

  for (size_t n = 0; n < t.segment_count; ++n) {
    const ops::KvSegment& segment = t.segments[n];
    const ops::KvBlock& b = segment.block;
    int32_t most = 0;
    for (int32_t r = 0; r < rows; ++r) {
      const int32_t sees = attention::visible_keys(segment, t.position + r);
      row_seen[r] = sees;
      if (sees == 0) continue;
      if (in_span[r] >= attention::span_keys) {
        merge_row(r);
        in_span[r] = 0;
      }
      in_span[r] += sees;
      most = sees > most ? sees : most;
    }
    for (int32_t key = 0; key < most; key += key_block) {
      const int32_t keys = most - key < key_block ? most - key : key_block;
      for (int32_t r = 0; r < rows; ++r) {
        const int32_t left = row_seen[r] - key, sees = left < 0 ? 0 : left < keys ? left : keys;
        for (int32_t h = 0; h < heads; ++h) seen[r * heads + h] = sees;
      }
      const bool last = key + key_block >= most && n + 1 < t.segment_count;
      const ops::KvBlock& next = last ? t.segments[n + 1].block : b;
      const int32_t next_key = last ? 0 : key + key_block;
      s.next_keys = static_cast<const char*>(kv::key_group(next, t.kv_head, head_dim, next_key / 16));
      s.next_values = static_cast<const char*>(kv::value_row(next, t.kv_head, head_dim, next_key));
      const bool whole = head_dim % 16 == 0 && round_up(key + keys, 16) <= b.capacity;
      if (whole && b.type == ops::KvType::f32) {
        attend_in_place<FromF32>(s, seen, b, t.kv_head, key);
      } else if (whole && b.type == ops::KvType::f16 &&
                 s.count <= 2 * tile_rows) {  // read once: not worth a converted copy
        attend_in_place<FromF16>(s, seen, b, t.kv_head, key);
      } else {
        keys_to_f32(b, t.kv_head, head_dim, key, keys, k);
        values_to_f32(b, t.kv_head, head_dim, s.width, key, keys, v);
        attend<FromF32>(s, seen, k, static_cast<int64_t>(head_dim) * 16, v, s.width);
      }
    }
  }

  for (int32_t r = 0; r < rows; ++r) {
    if (has_merged[r]) merge_row(r);
    for (int32_t h = 0; h < heads; ++h) {
      const int32_t i = r * heads + h;
      const float* sums = (has_merged[r] ? merged : s.out) + static_cast<int64_t>(i) * s.width;
      const float top = has_merged[r] ? merged_top[i] : s.top[i], total = has_merged[r] ? merged_total[i] : s.total[i];
      if (t.state) {
        float* state = t.state + i * attention::state_floats(head_dim);
        state[0] = top;
        state[1] = total;
        for (int32_t d = 0; d < s.width; ++d) state[16 + d] = sums[d];
      } else {
        float* out = p.out + ((t.row + r) * p.heads + static_cast<int64_t>(t.kv_head) * heads + h) * head_dim;
        if (in_span[r] > 0) {
          write_output(sums, total, head_dim, out);
        } else {  // a row without keys: nothing to average
          for (int32_t d = 0; d < head_dim; ++d) out[d] = 0.0f;
        }
      }
    }
  }
}

void exp2_all(float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) store(x + i, exp2_lanes(load(x + i)));
}

void merge(const float* states, int64_t stride, int64_t count, int32_t head_dim, float* out) {
  float sums[attention::widest_head], top = minus_infinity, total = 0.0f;
  const int32_t width = static_cast<int32_t>(round_up(head_dim, 16));
  for (int32_t d = 0; d < width; d += 16) store(sums + d, splat(0.0f));
  for (int64_t i = 0; i < count; ++i) {
    const float* from = states + i * stride;
    merge_state(top, total, sums, from[0], from[1], from + 16, width);
  }
  write_output(sums, total, head_dim, out);
}

}  // namespace
}  // namespace owl3::OWL3_LANES
