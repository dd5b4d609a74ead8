// Attention in float, for every head size up to 256 and every format of keys: a block has up to eight queries of one
// head, keys and values pass through shared memory. One online softmax (arXiv 2205.14135) over a split; splits, a crop or
// 256 text keys, are merged in turn, so a row's bits depend on neither its tile nor which blocks took its splits.
#pragma once
#include "cuda/kernels/splits.cuh"

namespace owl3::cuda {

/// Eight queries and their softmax state, in shared memory.
struct QueryTile {
  int head_dim, keys, rows;
  float *q, *sum, *merged;                                      // [8][head_dim]
  float* block;                                                 // [keys][head_dim + 1]: keys, then values
  float* score;                                                 // [8][keys]
  float *row_max, *row_sum, *factor, *merged_max, *merged_sum;  // [8]

  OWL3_DEVICE QueryTile(int d, int n) : head_dim(d), keys(keys_at_once(d)), rows(n) {
    q = reinterpret_cast<float*>(simt::shared_memory());
    sum = q + queries * d;
    merged = sum + queries * d;
    block = merged + queries * d;
    score = block + keys * (d + 1);
    row_max = score + queries * keys;
    row_sum = row_max + queries;
    factor = row_sum + queries;
    merged_max = factor + queries;
    merged_sum = merged_max + queries;
  }
  /// Takes queries times log2(e) / sqrt(head_dim), so that 2^score serves for exp; query r is `stride` behind r - 1.
  OWL3_DEVICE void load_queries(const float* from, int64_t stride) {
    const float scale = log2_e / sqrtf(static_cast<float>(head_dim));
    for (int i = simt::thread(); i < rows * head_dim; i += attention_threads)
      q[i] = from[i / head_dim * stride + i % head_dim] * scale;
    clear_merged();
    simt::barrier();
  }
  /// For keys that are stored as their transform.
  OWL3_DEVICE void transform_queries() {
    hadamard(q, rows, head_dim, simt::thread(), attention_threads, [] { simt::barrier(); });
    const float inverse = 1.0f / static_cast<float>(head_dim & -head_dim);
    for (int i = simt::thread(); i < rows * head_dim; i += attention_threads) q[i] *= inverse;
    simt::barrier();
  }
  OWL3_DEVICE void clear_merged() {
    for (int i = simt::thread(); i < rows * head_dim; i += attention_threads) merged[i] = 0.0f;
    if (simt::thread() < queries) {
      merged_max[simt::thread()] = minus_infinity();
      merged_sum[simt::thread()] = 0.0f;
    }
  }

  /// One softmax over keys: query r sees the first seen(r), max_seen of them at most. key(j, d) and value(j, d) read.
  template <class Seen, class Key, class Value>
  OWL3_DEVICE void attend(int max_seen, Seen seen, Key key, Value value) {
    for (int i = simt::thread(); i < rows * head_dim; i += attention_threads) sum[i] = 0.0f;
    if (simt::thread() < queries) {
      row_max[simt::thread()] = minus_infinity();
      row_sum[simt::thread()] = 0.0f;
    }
    for (int first = 0; first < max_seen; first += keys) {
      const int n = min_of(keys, max_seen - first);
      for (int i = simt::thread(); i < n * head_dim; i += attention_threads)
        block[i / head_dim * (head_dim + 1) + i % head_dim] = key(first + i / head_dim, i % head_dim);
      simt::barrier();
      for (int i = simt::thread(); i < rows * n; i += attention_threads) {
        const float *a = q + i / n * head_dim, *b = block + i % n * (head_dim + 1);
        float dot = 0;
        for (int d = 0; d < head_dim; d++) dot = fmaf(a[d], b[d], dot);
        score[i / n * keys + i % n] = dot;
      }
      simt::barrier();
      for (int r = simt::warp(); r < rows; r += attention_threads / 32) softmax(r, seen(r) - first);
      for (int i = simt::thread(); i < n * head_dim; i += attention_threads)
        block[i / head_dim * (head_dim + 1) + i % head_dim] = value(first + i / head_dim, i % head_dim);
      simt::barrier();
      for (int i = simt::thread(); i < rows * head_dim; i += attention_threads) {
        const int r = i / head_dim, d = i % head_dim, visible = min_of(n, seen(r) - first);
        float s = sum[i] * factor[r];
        for (int j = 0; j < visible; j++) s = fmaf(score[r * keys + j], block[j * (head_dim + 1) + d], s);
        sum[i] = s;
      }
      simt::barrier();
    }
  }
  /// Scores of one query to weights; the first `visible` keys count. A warp.
  OWL3_DEVICE void softmax(int r, int visible) {
    const int lane = simt::lane();
    const bool counts = lane < keys && lane < visible;
    const float s = counts ? score[r * keys + lane] : minus_infinity();
    const float before = row_max[r], next = fmaxf(before, warp_max(s));
    const bool empty = next == minus_infinity();
    const float weight = counts ? power_of_two(s - next) : 0.0f;
    const float shrink = empty ? 1.0f : power_of_two(before - next), weights = warp_sum(weight);
    if (lane < keys) score[r * keys + lane] = weight;
    if (lane == 0) {
      factor[r] = shrink;
      row_sum[r] = fmaf(row_sum[r], shrink, weights);
      row_max[r] = next;
    }
  }
  /// Merges the state of attend() into the one before it.
  OWL3_DEVICE void merge() {
    for (int i = simt::thread(); i < rows * head_dim; i += attention_threads) {
      const int r = i / head_dim;
      const MergeFactors f = merge_factors(merged_max[r], row_max[r]);
      merged[i] = fmaf(merged[i], f.merged, sum[i] * f.added);
    }
    simt::barrier();
    if (simt::thread() < rows) {
      const int r = simt::thread();
      const MergeFactors f = merge_factors(merged_max[r], row_max[r]);
      merged_sum[r] = fmaf(merged_sum[r], f.merged, row_sum[r] * f.added);
      merged_max[r] = f.maximum;
    }
    simt::barrier();
  }
  OWL3_DEVICE void write_output(float* out, int64_t stride) const {
    for (int i = simt::thread(); i < rows * head_dim; i += attention_threads) {
      const int r = i / head_dim;
      out[r * stride + i % head_dim] = finite_or_nan(merged[i] * (1.0f / merged_sum[r]));
    }
  }
  /// Writes the merged states, or those of attend().
  OWL3_DEVICE void write_states(float* state, int64_t stride, bool of_merged) const {
    for (int i = simt::thread(); i < rows * head_dim; i += attention_threads)
      state[i / head_dim * stride + state_header + i % head_dim] = of_merged ? merged[i] : sum[i];
    if (simt::thread() < rows) {
      const int r = simt::thread();
      state[r * stride] = of_merged ? merged_max[r] : row_max[r];
      state[r * stride + 1] = of_merged ? merged_sum[r] : row_sum[r];
    }
  }
};

/// Blocks: (split, head, tile).
OWL3_KERNEL(attention_threads, 1) attention_plain(const AttentionParams p) {
  if (simt::block_z() >= p.table.counts->tiles) return;
  const TileEntry entry = p.table.tiles[simt::block_z()];
  const Splits splits(p, entry.sequence);
  const int head = simt::block_y(), kv_head = head / (p.heads / p.kv.kv_heads), d = p.kv.head_dim;
  const int last = entry.first_position + entry.rows - 1, count = splits.count(last);
  const bool one = p.mode == StateMode::split;
  if (one && (simt::block_x() >= count || splits.seen(simt::block_x(), last) == 0)) return;
  QueryTile tile(d, entry.rows);
  tile.load_queries(p.q + entry.first_row * p.ldq + static_cast<int64_t>(head) * d, p.ldq);
  if (p.kv.format == KvFormat::q8_0) tile.transform_queries();
  float* const states = p.states + (static_cast<int64_t>(entry.first_row) * p.heads + head) * p.slots * state_floats(d);
  const int64_t stride = static_cast<int64_t>(p.heads) * p.slots * state_floats(d);
  for (int split = one ? simt::block_x() : 0; split < count; split++) {
    if (p.mode == StateMode::two && split == splits.crops) {  // text begins
      tile.write_states(states, stride, true);
      simt::barrier();
      tile.clear_merged();
      simt::barrier();
    }
    const int max_seen = splits.seen(split, last);
    if (max_seen == 0) continue;
    const auto read = [&](int values) {
      return [&, values](int j, int i) {
        int slot;
        const HeadBlock block = splits.block(split, kv_head, values, j, slot);
        return block.value(slot, i);
      };
    };
    tile.attend(
        max_seen, [&](int r) { return splits.seen(split, entry.first_position + r); }, read(0), read(1));
    if (one) return tile.write_states(states + simt::block_x() * state_floats(d), stride, false);
    tile.merge();
  }
  if (p.mode == StateMode::two)
    tile.write_states(states + state_floats(d), stride, true);
  else
    tile.write_output(p.out + (static_cast<int64_t>(entry.first_row) * p.heads + head) * d,
                      static_cast<int64_t>(p.heads) * d);
}

/// A state that is merged by the threads of a block, two values of the head each.
struct MergedState {
  float maximum = minus_infinity(), sum = 0, value[max_head_dim / attention_threads] = {};
  OWL3_DEVICE void add(const float* state, int head_dim) {
    const MergeFactors f = merge_factors(maximum, state[0]);
    sum = fmaf(sum, f.merged, state[1] * f.added);
    maximum = f.maximum;
#pragma unroll
    for (int i = 0; i < max_head_dim / attention_threads; i++) {
      const int d = simt::thread() + i * attention_threads;
      if (d < head_dim) value[i] = fmaf(value[i], f.merged, state[state_header + d] * f.added);
    }
  }
};

/// The share of what a row saw in pictures (ops::Gate) in value d. `text` [head_dim] is shared.
OWL3_DEVICE float gate_share(const AttentionParams& p, int head, const float* text, int d) {
  const int head_dim = p.kv.head_dim;
  if (p.gate == GateForm::channel) return p.gate_weight[head * head_dim + d];
  float logit = 0;
  for (int i = 0; i < head_dim; i++) logit = fmaf(text[i], p.gate_weight[i * head_dim + d], logit);
  return sigmoid(logit + p.gate_bias[d]);
}

/// Merges the states of splits in turn, and has the gate between text and crops. Blocks: (row, head).
OWL3_KERNEL(attention_threads, 1) attention_merge(const AttentionParams p) {
  const int row = simt::block_x(), head = simt::block_y(), head_dim = p.kv.head_dim;
  auto* shared = reinterpret_cast<float*>(simt::shared_memory());  // [head_dim]
  const Splits splits(p, p.table.row_sequence[row]);
  const int position = p.table.positions[row];
  const float* states = p.states + (static_cast<int64_t>(row) * p.heads + head) * p.slots * state_floats(head_dim);
  const bool gated = p.gate != GateForm::none;
  MergedState visual, text;
  bool sees_crops = false;
  for (int split = 0; split < splits.crops; split++) {
    if (splits.seen(split, position) == 0) continue;
    if (p.mode == StateMode::split) (gated ? visual : text).add(states + split * state_floats(head_dim), head_dim);
    sees_crops = true;
  }
  if (p.mode == StateMode::two) {
    if (sees_crops) visual.add(states, head_dim);
    text.add(states + state_floats(head_dim), head_dim);
  } else {
    for (int split = splits.crops; split < splits.count(position); split++)
      text.add(states + split * state_floats(head_dim), head_dim);
  }
  float* out = p.out + (static_cast<int64_t>(row) * p.heads + head) * head_dim;
#pragma unroll
  for (int i = 0; i < max_head_dim / attention_threads; i++) {
    const int d = simt::thread() + i * attention_threads;
    if (d < head_dim) out[d] = shared[d] = finite_or_nan(text.value[i] * (1.0f / text.sum));
  }
  if (!gated || !sees_crops) return;
  simt::barrier();
#pragma unroll
  for (int i = 0; i < max_head_dim / attention_threads; i++) {
    const int d = simt::thread() + i * attention_threads;
    if (d >= head_dim) continue;
    const float share = gate_share(p, head, shared, d), seen = visual.value[i] * (1.0f / visual.sum);
    out[d] = finite_or_nan(fmaf(share, seen, (1.0f - share) * shared[d]));
  }
}

/// Full attention inside crops. Blocks: (8 tokens, head, crop).
OWL3_KERNEL(attention_threads, 1) vision_plain(const VisionAttentionParams p) {
  const int first = simt::block_x() * queries, head = simt::block_y();
  const int64_t crop = static_cast<int64_t>(simt::block_z()) * p.tokens, at = static_cast<int64_t>(head) * p.head_dim;
  QueryTile tile(p.head_dim, min_of(queries, p.tokens - first));
  tile.load_queries(p.q + (crop + first) * p.ld + at, p.ld);
  const auto read = [&](const float* from) {
    return [&, from](int j, int d) { return from[(crop + j) * p.ld + at + d]; };
  };
  tile.attend(
      p.tokens, [&](int) { return p.tokens; }, read(p.k), read(p.v));
  tile.merge();
  const int64_t width = static_cast<int64_t>(p.heads) * p.head_dim;
  tile.write_output(p.out + (crop + first) * width + at, width);
}

}  // namespace owl3::cuda
