// Causal and hyper attention on the tensor cores, for heads of 64 and 128 values and keys of f16 or q8_0. A block has up
// to 64 query vectors: the heads of one KV head (eight of them at most) at eight positions, so that keys are read once
// for all of them. Queries have 22 bits, keys, weights and values 11.
#pragma once
#include "cuda/kernels/flash.cuh"
#include "cuda/kernels/splits.cuh"

namespace owl3::cuda {

/// The query vectors of a block: vector m is head m % heads at position m / heads of the tile.
struct QueryGroup {
  int heads, first_head, vectors;
  TileEntry tile;
  OWL3_DEVICE int position(int m) const { return tile.first_position + m / heads; }
  OWL3_DEVICE int64_t row(int m) const { return tile.first_row + m / heads; }
  OWL3_DEVICE int head(int m) const { return first_head + m % heads; }
};

/// Begins to copy keys (values = 0) or values of a split, `Keys` from `first` on, to shared memory; what follows the
/// last of `count` repeats it. Sixteen values at a time.
template <int D, int Keys>
OWL3_DEVICE void copy_keys(const Splits& splits, int split, int kv_head, int values, int first, int count,
                           uint16_t* to) {
  constexpr int parts = D / 16;
  for (int i = simt::thread(); i < Keys * parts; i += mma_threads) {
    const int key = i / parts, at = i % parts * 16;
    int slot;
    const HeadBlock block = splits.block(split, kv_head, values, min_of(first + key, count - 1), slot);
    uint16_t* row = to + key * key_stride(D) + at;
    if (block.format == KvFormat::f16) {
      simt::copy_async(row, block.f16(slot) + at);
      simt::copy_async(row + 8, block.f16(slot) + at + 8);
      continue;
    }
    const float scale = simt::half_to_float(block.q8_scales(slot)[at / 32]);
    const auto packed = *reinterpret_cast<const simt::Words4*>(block.q8(slot) + at);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      simt::Words4 halves;
#pragma unroll
      for (int w = 0; w < 4; w++) {
        uint16_t v[2];
#pragma unroll
        for (int j = 0; j < 2; j++) {
          const int n = half * 8 + w * 2 + j;
          v[j] = simt::float_to_half(static_cast<float>(static_cast<int8_t>(packed.v[n / 4] >> n % 4 * 8)) * scale);
        }
        halves.v[w] = pair_of(v[0], v[1]);
      }
      *reinterpret_cast<simt::Words4*>(row + half * 8) = halves;
    }
  }
  simt::copy_commit();
}

/// Where the states of a lane's two vectors are merged: sums in memory, which nobody else touches.
struct MergedVectors {
  float* sums[2];  // null: no such vector
  float maximum[2], sum[2];

  OWL3_DEVICE void begin(float* first, float* second) {
    sums[0] = first;
    sums[1] = second;
#pragma unroll
    for (int h = 0; h < 2; h++) {
      maximum[h] = minus_infinity();
      sum[h] = 0.0f;
    }
  }
  template <int D, class Warp>
  OWL3_DEVICE void merge(const Warp& warp) {
    const int t = simt::lane() % 4;
#pragma unroll
    for (int h = 0; h < 2; h++) {
      // A sum that is no number belongs to keys of which none had a score that is one: it must not get lost.
      if (sums[h] == nullptr || (warp.row_max[h] == minus_infinity() && warp.row_sum[h] == 0.0f)) continue;
      const bool empty = maximum[h] == minus_infinity();
      const MergeFactors f = merge_factors(maximum[h], warp.row_max[h]);
      sum[h] = fmaf(sum[h], f.merged, warp.row_sum[h] * f.added);
      maximum[h] = f.maximum;
#pragma unroll
      for (int i = 0; i < D / 8; i++)
#pragma unroll
        for (int c = 0; c < 2; c++) {
          float* to = sums[h] + i * 8 + 2 * t + c;
          *to = fmaf(empty ? 0.0f : *to, f.merged, warp.sum[i][2 * h + c] * f.added);
        }
    }
  }
  /// The averages instead of the sums.
  template <int D>
  OWL3_DEVICE void divide() {
    const int t = simt::lane() % 4;
#pragma unroll
    for (int h = 0; h < 2; h++) {
      if (sums[h] == nullptr) continue;
      const float inverse = 1.0f / sum[h];
#pragma unroll
      for (int i = 0; i < D / 8; i++)
#pragma unroll
        for (int c = 0; c < 2; c++) {
          float& average = sums[h][i * 8 + 2 * t + c];
          average = finite_or_nan(average * inverse);
        }
    }
  }
  /// The head of a state, whose sums were merged in place.
  OWL3_DEVICE void write_headers() const {
    if (simt::lane() % 4 != 0) return;
#pragma unroll
    for (int h = 0; h < 2; h++) {
      if (sums[h] == nullptr) continue;
      sums[h][-state_header] = maximum[h];
      sums[h][1 - state_header] = sum[h];
    }
  }
};

/// Queries as q8_0 keys want them, times `scale`: one vector in shared memory a warp, then back to the fragments. Only
/// for keys that are stored as their transform.
template <int D, class Warp>
OWL3_DEVICE void load_transformed(Warp& warp, const AttentionParams& p, const QueryGroup& group, int first, float scale,
                                  float* shared) {
  for (int m = simt::warp(); m < group.vectors; m += mma_threads / 32) {
    float* x = shared + m * D;
    const float* q = p.q + group.row(m) * p.ldq + static_cast<int64_t>(group.head(m)) * D;
    for (int d = simt::lane(); d < D; d += 32) x[d] = q[d] * scale;
    hadamard(x, 1, D, simt::lane(), 32, [] { simt::warp_barrier(); });
  }
  simt::barrier();
  warp.load_queries([&](int m, int d) { return first + m < group.vectors ? shared[(first + m) * D + d] / D : 0.0f; });
  simt::barrier();
}

/// Blocks: (split, part of a KV head's heads, tile).
template <int D>
OWL3_DEVICE void attention_mma(const AttentionParams& p) {
  constexpr int keys = mma_keys;
  if (simt::block_z() >= p.table.counts->tiles) return;
  auto* k = reinterpret_cast<uint16_t*>(simt::shared_memory());  // [keys][key_stride(D)]
  uint16_t* v = k + keys * key_stride(D);
  const int in_group = p.heads / p.kv.kv_heads, parts = (in_group + mma_heads - 1) / mma_heads;
  const int kv_head = simt::block_y() / parts, part = simt::block_y() % parts;
  QueryGroup group;
  group.tile = p.table.tiles[simt::block_z()];
  group.heads = min_of(mma_heads, in_group - part * mma_heads);
  group.first_head = kv_head * in_group + part * mma_heads;
  group.vectors = group.tile.rows * group.heads;
  const Splits splits(p, group.tile.sequence);
  const int last = group.tile.first_position + group.tile.rows - 1, count = splits.count(last);
  const bool one = p.mode == StateMode::split;
  if (one && (simt::block_x() >= count || splits.seen(simt::block_x(), last) == 0)) return;

  const int first = simt::warp() * 16, vector[2] = {first + simt::lane() / 4, first + simt::lane() / 4 + 8};
  const bool works = first < group.vectors;
  FlashWarp<D, keys, 2, 1> warp;
  const float scale = log2_e / sqrtf(static_cast<float>(D));
  if (p.kv.format == KvFormat::q8_0)
    load_transformed<D>(warp, p, group, first, scale, reinterpret_cast<float*>(simt::shared_memory()));
  else
    warp.load_queries([&](int m, int d) {
      if (first + m >= group.vectors) return 0.0f;
      return p.q[group.row(first + m) * p.ldq + static_cast<int64_t>(group.head(first + m)) * D + d] * scale;
    });

  MergedVectors merged;
  const auto begin = [&](int slot) {  // slot < 0: merged in the output
    float* at[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
      at[h] = nullptr;
      if (vector[h] >= group.vectors) continue;
      const int64_t number = group.row(vector[h]) * p.heads + group.head(vector[h]);
      at[h] = slot < 0 ? p.out + number * D : p.states + (number * p.slots + slot) * state_floats(D) + state_header;
    }
    merged.begin(at[0], at[1]);
  };
  begin(one ? simt::block_x() : p.mode == StateMode::two ? 0 : -1);
  for (int split = one ? simt::block_x() : 0; split < count; split++) {
    if (p.mode == StateMode::two && split == splits.crops) {  // text begins
      merged.write_headers();
      begin(1);
    }
    const int max_seen = splits.seen(split, last), min_seen = splits.seen(split, group.tile.first_position);
    if (max_seen == 0) continue;
    int seen[2];
#pragma unroll
    for (int h = 0; h < 2; h++) seen[h] = vector[h] < group.vectors ? splits.seen(split, group.position(vector[h])) : 0;
    warp.clear();
    for (int at = 0; at < max_seen; at += keys) {
      copy_keys<D, keys>(splits, split, kv_head, 0, at, max_seen, k);
      copy_keys<D, keys>(splits, split, kv_head, 1, at, max_seen, v);
      simt::copy_wait<1>();
      simt::barrier();
      const int left[2] = {seen[0] - at, seen[1] - at};
      if (works) warp.weigh(k, left);
      simt::copy_wait<0>();
      simt::barrier();
      // Some of these keys are not seen by all vectors.
      if (min_seen < min_of(max_seen, at + keys) && any_not_finite<D, keys>(v, reinterpret_cast<uint32_t*>(k))) {
        if (works) warp.spoil(v, left);
        simt::barrier();
        remove_not_finite<D, keys>(v);
        simt::barrier();
      }
      if (works) warp.add(v);
      simt::barrier();
    }
    if (works) {
      warp.finish();
      merged.template merge<D>(warp);
    }
    if (one) break;
  }
  if (!works) return;
  if (p.mode == StateMode::merged)
    merged.template divide<D>();
  else
    merged.write_headers();
}

OWL3_KERNEL(mma_threads, 2) attention_64(const AttentionParams p) {
  attention_mma<64>(p);
}
OWL3_KERNEL(mma_threads, 2) attention_128(const AttentionParams p) {
  attention_mma<128>(p);
}

}  // namespace owl3::cuda
