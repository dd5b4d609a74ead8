// Attention as numbered tasks: the interface between the drivers (attention.cpp) and the kernels.
//
// Keys are worked through in blocks of key_block within a segment, always from its first slot, and rows of very long
// contexts in spans of whole segments; both depend on the row alone, so neither chunks, nor batches, nor threads change
// a bit of the result.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/math.h"
#include "cpu/attention/kv_store.h"
#include "ops/backend.h"

namespace owl3 {
class ThreadPool;
}

namespace owl3::cpu {
class Workspace;
}

namespace owl3::cpu::attention {

constexpr int32_t key_block = 64;     ///< keys of a softmax step: K and V of one head as f32 are 64 KiB at head_dim 128
constexpr int32_t tile_queries = 96;  ///< (row, head) pairs that reuse a converted block
/// A span ends with the segment that reaches this many keys: about a megabyte of K and V.
constexpr int64_t span_keys = 2048;
constexpr int32_t max_head_dim = 512;
constexpr int32_t lanes = 16;

// `static`: each instruction set's kernels have their own copy (simd/simd.h).

/// Keys of `s` that a query at `position` sees: always its first ones.
static inline int32_t visible_keys(const KvSegment& s, int32_t position) {
  const int64_t ahead = static_cast<int64_t>(position) - s.position + 1;
  if (ahead <= 0) return 0;
  return s.causal && ahead < s.count ? static_cast<int32_t>(ahead) : s.count;
}

/// One head of the rows [row_begin, row_end) of one crop; pointers stand at the crop's first row and the head's first
/// column.
struct VisionTask {
  const float* q;
  const float* k;
  const float* v;
  int64_t ld;
  float* out;
  int64_t ld_out;
  int32_t tokens, head_dim, row_begin, row_end;
  void* scratch;  ///< vision_scratch() bytes, 64-byte aligned
};

/// The query heads of one KV head and the rows [row, row + rows) of one sequence, over `segment_count` of its segments.
struct AttentionTask {
  const AttentionRows* params;
  int32_t kv_head;
  int32_t rows;
  int64_t row;       ///< the first one, in params->q and out
  int32_t position;  ///< where the first row stands
  const KvSegment* segments;
  size_t segment_count;
  /// If null, the task sees all segments and writes the output rows. Else the segments are one span for all these
  /// rows, of crops or of text where there is a gate, and their states go here: [rows, heads of this KV head], with
  /// state_floats(head_dim) each.
  float* state;
  void* scratch;  ///< attention_scratch() bytes, 64-byte aligned
};

/// The states of one (row, head), a state a span, in the spans' order.
struct MergeTask {
  const float* states;
  int64_t stride;       ///< floats from one state to the next
  int64_t crop_states;  ///< with a gate: how many of them, the first ones, are of crops
  int64_t count;
  int32_t head;
  int32_t head_dim;
  ops::Gate gate;
  float* out;  ///< [head_dim]
};

/// The softmax state of one (row, head): maximum, sum of weights, whether it saw a key, and from `lanes` on the weighted
/// sum of values (padded to whole lanes).
static constexpr int64_t state_floats(int32_t head_dim) {
  return lanes + round_up(head_dim, lanes);
}

size_t vision_scratch(int32_t tokens, int32_t head_dim);
size_t attention_scratch(int32_t head_dim);

/// Vision attention by the accuracy of its products; where the instruction set has nothing faster, the next better one.
struct Vision {
  void (*f32)(const VisionTask&);    ///< float32
  void (*split)(const VisionTask&);  ///< at least 16 bits of mantissa: two bfloat16
  void (*bf16)(const VisionTask&);   ///< bfloat16
};

struct Kernels {
  Vision vision;
  void (*attention)(const AttentionTask&);
  void (*merge)(const MergeTask&);    ///< merges the states and writes the head's output
  void (*exp2)(float* x, int64_t n);  ///< the softmax uses it; n is a multiple of 16
};

/// Runs the verbs of backend.h on the pool.
void vision_attention(const Kernels& k, const ops::VisionAttentionParams& p, ops::Precision precision, ThreadPool& pool,
                      Workspace& workspace);
void attention(const Kernels& k, const AttentionRows& p, ThreadPool& pool, Workspace& workspace);

}  // namespace owl3::cpu::attention
