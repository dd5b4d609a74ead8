#include "cpu/attention/attention.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/math.h"
#include "base/thread_pool.h"
#include "cpu/workspace.h"

namespace owl3::cpu::attention {
namespace {

size_t line(int64_t bytes) {
  return static_cast<size_t>(round_up(bytes, 64));
}

/// Queries, their states and scores, as partition_queries takes them.
size_t query_scratch(int32_t head_dim) {
  const int64_t width = round_up(head_dim, lanes), f = sizeof(float);
  return line(tile_queries * head_dim * f) + line(tile_queries * width * f) + 2 * line(tile_queries * f) +
         line(16 * key_block * f);
}

/// The end of the span that starts at `segment` for a row at `position`. With a gate it holds crops or text, not both.
size_t span_end(std::span<const KvSegment> segments, size_t segment, int32_t position, bool gated) {
  int64_t keys = 0;
  const bool text = segments[segment].causal;
  for (; segment < segments.size(); ++segment) {
    const int32_t sees = visible_keys(segments[segment], position);
    if (sees > 0 && keys >= span_keys) break;
    if (gated && segments[segment].causal != text) break;
    keys += sees;
  }
  return segment;
}

/// Some rows of a sequence over all its segments or, with `state` >= 0, over one span of them.
struct Piece {
  const AttentionSequence* sequence;
  int64_t row;
  int32_t rows;
  size_t segment_begin, segment_end;
  int64_t state;  // number of its first state among those of the call, or -1
};
/// Rows that were shared out by spans: their states are to be merged.
struct Merge {
  const AttentionSequence* sequence;
  int64_t first_state, spans, crop_spans;
};

/// Whether all rows of `s` (positions rise) have the same spans, more than one of them.
int64_t common_spans(const AttentionSequence& s, bool gated) {
  const int32_t last = s.first_position + static_cast<int32_t>(s.rows) - 1;
  int64_t spans = 0;
  for (size_t at = 0; at < s.segments.size(); ++spans) {
    const size_t end = span_end(s.segments, at, s.first_position, gated);
    if (span_end(s.segments, at, last, gated) != end) return 1;
    at = end;
  }
  return spans;
}

}  // namespace

size_t vision_scratch(int32_t tokens, int32_t head_dim) {
  const int64_t f = sizeof(float), keys = round_up(tokens, 32), width = round_up(head_dim, 32);
  return query_scratch(head_dim) + line(tile_queries * sizeof(int32_t)) + 2 * line(keys * width * f) +
         line(tile_queries * keys * (f + 4));
}

size_t attention_scratch(int32_t head_dim) {
  const int64_t width = round_up(head_dim, lanes), f = sizeof(float);
  return query_scratch(head_dim) + line(tile_queries * width * f) + 7 * line(tile_queries * sizeof(int64_t)) +
         line(key_block * head_dim * f) + line(key_block * width * f) + line(tile_queries * width * f) +
         2 * line(lanes * width * f) + line(tile_queries);
}

void vision_attention(const Kernels& k, const ops::VisionAttentionParams& p, ops::Precision precision, ThreadPool& pool,
                      Workspace& workspace) {
  if (p.crops == 0 || p.tokens == 0) return;
  const int32_t tokens = static_cast<int32_t>(p.tokens);
  // Every part packs K and V of its head again, which costs 1 / tokens of the work of a row; so there are only as many
  // parts as keep all threads busy.
  const int64_t heads = p.crops * p.heads, wanted = 4 * int64_t{pool.threads()};
  const int64_t max_parts = std::max<int64_t>(1, tokens / tile_queries);
  const int64_t parts = std::clamp<int64_t>(divide_up(wanted, heads), 1, max_parts);
  const int32_t part_rows = static_cast<int32_t>(round_up(divide_up(tokens, parts), 32));
  const auto kernel = precision == ops::Precision::exact                                           ? k.vision.f32
                      : precision == ops::Precision::fast || p.accuracy == ops::Accuracy::bfloat16 ? k.vision.bf16
                                                                                                   : k.vision.split;
  const size_t bytes = vision_scratch(tokens, p.head_dim);
  pool.parallel_for(heads * parts, [&](int64_t task, int worker) {
    const int64_t part = task % parts, head = task / parts % p.heads, crop = task / parts / p.heads;
    const int32_t begin = static_cast<int32_t>(part) * part_rows, end = std::min(tokens, begin + part_rows);
    if (begin >= end) return;
    const int64_t in = crop * p.tokens * p.ld + head * p.head_dim, ld_out = int64_t{p.heads} * p.head_dim;
    float* out = p.out + crop * p.tokens * ld_out + head * p.head_dim;
    kernel({.q = p.q + in,
            .k = p.k + in,
            .v = p.v + in,
            .ld = p.ld,
            .out = out,
            .ld_out = ld_out,
            .tokens = tokens,
            .head_dim = p.head_dim,
            .row_begin = begin,
            .row_end = end,
            .scratch = workspace.worker(worker, bytes)});
  });
}

void attention(const Kernels& k, const AttentionRows& p, ThreadPool& pool, Workspace& workspace) {
  const int32_t group = p.heads / p.kv_heads;
  if (group * p.kv_heads != p.heads || group > tile_queries || p.head_dim > max_head_dim) {
    throw Error(ErrorCode::unsupported, "attention with " + std::to_string(p.heads) + " heads, " +
                                            std::to_string(p.kv_heads) + " KV heads of " + std::to_string(p.head_dim) +
                                            " values");
  }
  int64_t total_rows = 0;
  for (const AttentionSequence& s : p.sequences) total_rows += s.rows;
  if (total_rows == 0) return;
  // Tiles as large as the scratch allows, but enough of them for all threads.
  const int64_t max_rows = std::max<int64_t>(1, tile_queries / group);
  const int64_t tile = std::clamp<int64_t>(total_rows * p.kv_heads / (3 * int64_t{pool.threads()}), 1, max_rows);

  // They keep their memory: a step allocates nothing once it has seen the largest prompt.
  thread_local std::vector<Piece> pieces;
  thread_local std::vector<Merge> merges;
  pieces.clear();
  merges.clear();
  int64_t states = 0;
  const bool gated = p.gate.kind != ops::GateKind::none;
  for (const AttentionSequence& s : p.sequences) {
    // Few rows over many keys (decode with pictures in sight) are shared out by spans of keys, each read once.
    const int64_t spans = s.rows <= max_rows ? common_spans(s, gated) : 1;
    if (spans > 1 && (s.rows == 1 || spans * p.kv_heads >= 2 * int64_t{pool.threads()})) {
      merges.push_back({&s, states, spans, 0});
      for (size_t at = 0; at < s.segments.size();) {
        const size_t end = span_end(s.segments, at, s.first_position, gated);
        merges.back().crop_spans += gated && !s.segments[at].causal;
        pieces.push_back({&s, 0, static_cast<int32_t>(s.rows), at, end, states});
        states += s.rows * p.heads;
        at = end;
      }
      continue;
    }
    for (int64_t row = 0; row < s.rows; row += tile) {
      pieces.push_back({&s, row, static_cast<int32_t>(std::min(tile, s.rows - row)), 0, s.segments.size(), -1});
    }
  }

  const int64_t state_size = state_floats(p.head_dim);
  float* state = states
                     ? static_cast<float*>(workspace.shared(static_cast<size_t>(states * state_size) * sizeof(float)))
                     : nullptr;
  const size_t bytes = attention_scratch(p.head_dim);
  const std::vector<Piece>& all = pieces;  // a worker has a thread_local vector of its own
  pool.parallel_for(static_cast<int64_t>(all.size()) * p.kv_heads, [&](int64_t task, int worker) {
    const Piece& piece = all[static_cast<size_t>(task / p.kv_heads)];
    const int32_t kv_head = static_cast<int32_t>(task % p.kv_heads);
    const AttentionSequence& s = *piece.sequence;
    float* to = piece.state < 0 ? nullptr : state + (piece.state + int64_t{kv_head} * piece.rows * group) * state_size;
    k.attention({.params = &p,
                 .kv_head = kv_head,
                 .rows = piece.rows,
                 .row = s.first_row + piece.row,
                 .position = s.first_position + static_cast<int32_t>(piece.row),
                 .segments = s.segments.data() + piece.segment_begin,
                 .segment_count = piece.segment_end - piece.segment_begin,
                 .state = to,
                 .scratch = workspace.worker(worker, bytes)});
  });
  for (const Merge& m : merges) {
    const int64_t rows = m.sequence->rows, stride = rows * p.heads * state_size;
    const auto merge = [&](int64_t i) {  // the tasks left them as [kv_heads, rows, group]
      const int64_t kv_head = i / (rows * group), row = i / group % rows, head = kv_head * group + i % group;
      k.merge({.states = state + (m.first_state + i) * state_size,
               .stride = stride,
               .crop_states = m.crop_spans,
               .count = m.spans,
               .head = static_cast<int32_t>(head),
               .head_dim = p.head_dim,
               .gate = p.gate,
               .out = p.out + ((m.sequence->first_row + row) * p.heads + head) * p.head_dim});
    };
    if (p.gate.kind == ops::GateKind::head)  // head_dim^2 products each
      pool.parallel_for(rows * p.heads, [&](int64_t i, int) { merge(i); });
    else
      for (int64_t i = 0; i < rows * p.heads; ++i) merge(i);
  }
}

}  // namespace owl3::cpu::attention
