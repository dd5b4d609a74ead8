// Hyper attention, vision attention in float32 and what the test of the exponential needs. Compiled once for each
// instruction set.
#include <cstring>

#include "cpu/attention/gate.h"
#include "cpu/attention/kv_layout.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

void vision(const VisionTask& t) {
  Partition memory{static_cast<char*>(t.scratch)};
  Queries s = partition_queries(memory, t.head_dim);
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
      write_output(s.out + static_cast<int64_t>(i) * s.width, s.row_sum[i], t.head_dim, t.out + (row + i) * t.ld_out);
    }
  }
}

/// Keys [key, key + n) of a head as f32 groups of sixteen (lanes past the block's capacity 0). key is a multiple of 16.
inline void keys_to_f32(const KvBlock& b, int32_t head, int32_t head_dim, int32_t key, int32_t n, float* to) {
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
inline void values_to_f32(const KvBlock& b, int32_t head, int32_t head_dim, int32_t width, int32_t key, int32_t n,
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

/// A query as q8_0 keys want it, with the factor that their transform leaves out (a power of two, hence exact).
inline void transform_query(float* q, int32_t head_dim) {
  const float factor = 1.0f / static_cast<float>(kv::hadamard(q, head_dim));
  for (int32_t d = 0; d < head_dim; ++d) q[d] *= factor;
}

/// The block as it stands in memory, when it can be read so: whole groups, whole lanes.
template <class B>
inline void attend_in_place(const Queries& s, const int32_t* seen, const KvBlock& b, int32_t head, int32_t key) {
  using Type = typename B::Type;
  attend<B>(s, seen, static_cast<const Type*>(kv::key_group(b, head, s.head_dim, key / 16)),
            static_cast<int64_t>(s.head_dim) * 16, static_cast<const Type*>(kv::value_row(b, head, s.head_dim, key)),
            s.head_dim);
}

/// The rows of a task and the state of a softmax over some of its segments.
struct TaskRows {
  const AttentionTask& t;
  int32_t head_dim, heads;  // heads: the query heads of the KV head
  Partition memory;
  Queries s;
  float* merged;  // [tile_queries, width] states of the spans before the last one
  float* merged_max;
  float* merged_sum;
  int32_t* seen;
  int32_t* row_seen;
  int64_t* in_span;
  bool* has_merged;
  float *k, *v;

  explicit TaskRows(const AttentionTask& task)
      : t(task),
        head_dim(t.params->head_dim),
        heads(t.params->heads / t.params->kv_heads),
        memory{static_cast<char*>(t.scratch)},
        s(partition_queries(memory, head_dim)),
        merged(memory.take<float>(static_cast<int64_t>(tile_queries) * s.width)),
        merged_max(memory.take<float>(tile_queries)),
        merged_sum(memory.take<float>(tile_queries)),
        seen(memory.take<int32_t>(tile_queries)),
        row_seen(memory.take<int32_t>(tile_queries)),
        in_span(memory.take<int64_t>(tile_queries)),
        has_merged(memory.take<bool>(tile_queries)),
        k(memory.take<float>(static_cast<int64_t>(key_block) * head_dim)),
        v(memory.take<float>(static_cast<int64_t>(key_block) * s.width)) {
    s.count = t.rows * heads;
    for (int32_t r = 0; r < t.rows; ++r) {
      const float* q = t.params->q + (t.row + r) * t.params->ldq + static_cast<int64_t>(t.kv_head) * heads * head_dim;
      for (int32_t h = 0; h < heads; ++h) {
        float* scaled = s.q + static_cast<int64_t>(r * heads + h) * head_dim;
        scale_query(q + static_cast<int64_t>(h) * head_dim, head_dim, scaled);
        if (t.segment_count > 0 && t.segments[0].block.type == ops::KvType::q8_0) transform_query(scaled, head_dim);
      }
    }
  }

  void merge_row(int32_t r) {
    for (int32_t i = r * heads; i < (r + 1) * heads; ++i) {
      float* to = merged + static_cast<int64_t>(i) * s.width;
      if (!has_merged[r]) {
        merged_max[i] = minus_infinity;
        merged_sum[i] = 0.0f;
        for (int32_t d = 0; d < s.width; d += 16) store(to + d, splat(0.0f));
      }
      merge_state(merged_max[i], merged_sum[i], to, s.row_max[i], s.row_sum[i],
                  s.out + static_cast<int64_t>(i) * s.width, s.width);
    }
    has_merged[r] = true;
    clear(s, r * heads, (r + 1) * heads);
  }

  /// One softmax over the segments [begin, end) of the task.
  void attend_to(size_t begin, size_t end) {
    const int32_t rows = t.rows;
    for (int32_t r = 0; r < rows; ++r) {
      in_span[r] = 0;
      has_merged[r] = false;
    }
    clear(s, 0, s.count);
    for (size_t n = begin; n < end; ++n) {
      const KvSegment& segment = t.segments[n];
      const KvBlock& b = segment.block;
      int32_t max_seen = 0;
      for (int32_t r = 0; r < rows; ++r) {
        const int32_t sees = visible_keys(segment, t.position + r);
        row_seen[r] = sees;
        if (sees == 0) continue;
        if (in_span[r] >= span_keys) {
          merge_row(r);
          in_span[r] = 0;
        }
        in_span[r] += sees;
        max_seen = sees > max_seen ? sees : max_seen;
      }
      for (int32_t key = 0; key < max_seen; key += key_block) {
        const int32_t keys = max_seen - key < key_block ? max_seen - key : key_block;
        for (int32_t r = 0; r < rows; ++r) {
          const int32_t left = row_seen[r] - key, sees = left < 0 ? 0 : left < keys ? left : keys;
          for (int32_t h = 0; h < heads; ++h) seen[r * heads + h] = sees;
        }
        const bool last = key + key_block >= max_seen && n + 1 < t.segment_count;
        const KvBlock& next = last ? t.segments[n + 1].block : b;
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
    }
  }

  // The values that query i = r * heads + h of the softmax sums up.
  const float* sums(int32_t i) const {
    return (has_merged[i / heads] ? merged : s.out) + static_cast<int64_t>(i) * s.width;
  }
  float row_max(int32_t i) const { return has_merged[i / heads] ? merged_max[i] : s.row_max[i]; }
  float row_sum(int32_t i) const { return has_merged[i / heads] ? merged_sum[i] : s.row_sum[i]; }
  bool sees_keys(int32_t i) const { return in_span[i / heads] > 0; }
  int32_t head(int32_t i) const { return t.kv_head * heads + i % heads; }
  float* out(int32_t i) const { return t.params->out + ((t.row + i / heads) * t.params->heads + head(i)) * head_dim; }

  void write_state(int32_t i) const {
    float* state = t.state + i * state_floats(head_dim);
    state[0] = row_max(i);
    state[1] = row_sum(i);
    state[2] = sees_keys(i) ? 1.0f : 0.0f;
    for (int32_t d = 0; d < s.width; ++d) state[16 + d] = sums(i)[d];
  }
  void write(int32_t i) const {
    if (sees_keys(i)) {
      write_output(sums(i), row_sum(i), head_dim, out(i));
    } else {  // a row without keys: nothing to average
      for (int32_t d = 0; d < head_dim; ++d) out(i)[d] = 0.0f;
    }
  }
};

/// The crops among the task's segments: they come first.
inline size_t crop_segments(const AttentionTask& t) {
  size_t n = 0;
  while (n < t.segment_count && !t.segments[n].causal) ++n;
  return n;
}

/// Two softmaxes and the gate between them: the rows have attended to nothing yet.
void gated_rows(TaskRows& rows, size_t crops) {
  const int32_t width = rows.s.width, count = rows.s.count;
  float* visual = rows.memory.take<float>(static_cast<int64_t>(tile_queries) * width);
  float* text = rows.memory.take<float>(static_cast<int64_t>(tile_rows) * width);
  float* g = rows.memory.take<float>(static_cast<int64_t>(tile_rows) * width);
  bool* sees_crops = rows.memory.take<bool>(tile_queries);
  rows.attend_to(0, crops);
  for (int32_t i = 0; i < count; ++i) {
    sees_crops[i] = rows.sees_keys(i);
    write_output(rows.sums(i), sees_crops[i] ? rows.row_sum(i) : 1.0f, width, visual + static_cast<int64_t>(i) * width);
  }
  rows.attend_to(crops, rows.t.segment_count);
  for (int32_t i = 0; i < count; i += tile_rows) {
    const int32_t n = count - i < tile_rows ? count - i : tile_rows;
    ops::Gate gates[tile_rows];
    for (int32_t r = 0; r < n; ++r) {
      gates[r] = gate_of_head(rows.t.params->gate, rows.head(i + r), rows.head_dim);
      write_output(rows.sums(i + r), rows.sees_keys(i + r) ? rows.row_sum(i + r) : 1.0f, width,
                   text + static_cast<int64_t>(r) * width);
    }
    blend(gates, text, visual + static_cast<int64_t>(i) * width, n, rows.head_dim, width, g);
    for (int32_t r = 0; r < n; ++r) {
      if (sees_crops[i + r])
        memcpy(rows.out(i + r), text + static_cast<int64_t>(r) * width,
               static_cast<size_t>(rows.head_dim) * sizeof(float));
      else
        rows.write(i + r);
    }
  }
}

void attention_rows(const AttentionTask& t) {
  TaskRows rows(t);
  const size_t crops = t.params->gate.kind == ops::GateKind::none || t.state ? 0 : crop_segments(t);
  if (crops > 0) return gated_rows(rows, crops);
  rows.attend_to(0, t.segment_count);
  for (int32_t i = 0; i < rows.s.count; ++i) {
    if (t.state)
      rows.write_state(i);
    else
      rows.write(i);
  }
}

void exp2_all(float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) store(x + i, exp2_lanes(load(x + i)));
}

/// Merges states in their order into `sums` [width], divided by the sum of weights. Returns whether there was any key.
inline bool merge_states(const float* states, int64_t stride, int64_t count, int32_t width, float* sums) {
  float row_max = minus_infinity, row_sum = 0.0f;
  bool any = false;
  for (int32_t d = 0; d < width; d += 16) store(sums + d, splat(0.0f));
  for (int64_t i = 0; i < count; ++i) {
    const float* from = states + i * stride;
    merge_state(row_max, row_sum, sums, from[0], from[1], from + 16, width);
    any = any || from[2] > 0;
  }
  if (any) write_output(sums, row_sum, width, sums);
  return any;
}

void merge(const MergeTask& t) {
  float text[max_head_dim], visual[max_head_dim], g[max_head_dim];
  const int32_t width = static_cast<int32_t>(round_up(t.head_dim, 16));
  const bool sees_crops = merge_states(t.states, t.stride, t.crop_states, width, visual);
  merge_states(t.states + t.crop_states * t.stride, t.stride, t.count - t.crop_states, width, text);
  const ops::Gate gate = gate_of_head(t.gate, t.head, t.head_dim);
  if (sees_crops) blend(&gate, text, visual, 1, t.head_dim, width, g);
  memcpy(t.out, text, static_cast<size_t>(t.head_dim) * sizeof(float));
}

}  // namespace

extern const attention::Kernels attention_kernels;
const attention::Kernels attention_kernels{.vision = {.f32 = vision, .split = vision, .bf16 = vision},
                                           .attention = attention_rows,
                                           .merge = merge,
                                           .exp2 = exp2_all};

}  // namespace owl3::cpu::OWL3_ISA
