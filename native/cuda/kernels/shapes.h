// How kernels are cut into blocks: what they and whoever launches them must agree on.
#pragma once
#include "cuda/kernels/params.h"

namespace owl3::cuda {

constexpr int rows_threads = 256;               ///< rows_*: a block a row
constexpr int rows_floats = rows_threads / 32;  ///< the sums of its warps, in shared memory

/// Runs of units that K is cut into. A row's sums depend on it, so it is the same in every kernel.
constexpr int segments = 8;
constexpr int gemv_threads = 32 * segments;
constexpr int gemv_rows = 8;     ///< at most, gemv_*
constexpr int gemv32_rows = 32;  ///< at most, gemv32_*
constexpr int gemm_threads = 128;
constexpr int gemm_tiles = 8;  ///< tiles of 8 rows
constexpr int gemm_rows = 8 * gemm_tiles;
/// Floats of shared memory of gemv_* and gemv32_*: the sums of every segment.
OWL3_BOTH constexpr int gemv_floats(int rows) {
  return segments * rows * strip_rows;
}
constexpr int plain_rows = 8;
constexpr int plain_step = 64, plain_stride = plain_step + 1;  ///< columns at a time, and their distance
constexpr int plain_threads = strip_rows * plain_rows;         ///< an output of a row each
constexpr int plain_floats = (strip_rows + plain_rows) * plain_stride;

/// Rows of activations in shared memory, 256 bytes of each, and of int8 ones (`Terms` is false) the scales of eight
/// blocks. Distances spread the lanes of a fragment over all banks: eight bytes of int8, sixteen of 16-bit terms.
template <bool Terms>
struct alignas(16) Stage {
  static constexpr int row_bytes = 256, row_stride = Terms ? 320 : 288;
  static constexpr int scale_bytes = Terms ? 0 : 64, scale_stride = Terms ? 0 : 80;
  uint8_t values[gemm_rows * row_stride];
  uint8_t scales[Terms ? 16 : gemm_rows * scale_stride];
};
constexpr int gemm_stages = 2;

constexpr int rope_threads = 128;
/// Floats of shared memory: a vector a warp.
OWL3_BOTH constexpr int rope_floats(int head_dim) {
  return rope_threads / 32 * head_dim;
}

/// attention_plain and vision_plain: a block has up to eight queries of one head.
constexpr int queries = tile_positions;
constexpr int attention_threads = 128;
OWL3_BOTH constexpr int keys_at_once(int head_dim) {
  return head_dim <= 128 ? 32 : 16;
}
/// Floats of shared memory: queries, sums and merged sums; keys or values; scores; five numbers a query.
OWL3_BOTH constexpr int attention_floats(int head_dim) {
  const int keys = keys_at_once(head_dim);
  return 3 * queries * head_dim + keys * (head_dim + 1) + queries * keys + 5 * queries;
}

/// Attention on the tensor cores: a block has 64 query vectors, a warp 16 of them.
constexpr int mma_threads = 128;
constexpr int mma_vectors = 64;
constexpr int mma_heads = mma_vectors / tile_positions;  ///< heads of a KV head in one block
constexpr int mma_keys = 64;                             ///< keys and as many values in shared memory
/// Halves from one key to the next in shared memory: spreads them over all banks.
OWL3_BOTH constexpr int key_stride(int head_dim) {
  return head_dim + 8;
}
/// Bytes of shared memory; for q8_0 keys the queries pass through it first.
OWL3_BOTH constexpr int attention_mma_bytes(int head_dim) {
  return 2 * mma_keys * key_stride(head_dim) * 2;
}
/// Keys at a time of vision attention with heads padded to `head_dim`, so that 48 KiB hold them and their values.
OWL3_BOTH constexpr int vision_keys(int head_dim, int terms) {
  return head_dim * terms > 160 ? 32 : 64;
}
OWL3_BOTH constexpr int vision_bytes(int head_dim, int terms) {
  return 2 * terms * vision_keys(head_dim, terms) * key_stride(head_dim) * 2;
}

constexpr int pick_threads = 256;

}  // namespace owl3::cuda
