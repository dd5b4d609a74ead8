// How kernels are cut into blocks: what they and whoever launches them must agree on.
#pragma once
#include "cuda/kernels/params.h"

namespace owl3::cuda {

constexpr int rows_threads = 256;  ///< rows_*: a block a row

/// Runs of units that K is cut into. A row's sums depend on it, so it is the same in every kernel.
constexpr int segments = 8;
constexpr int gemv_threads = 32 * segments;
constexpr int gemv_rows = 8;
constexpr int gemm_threads = 128;
constexpr int gemm_tiles = 8;  ///< tiles of 8 rows
constexpr int plain_rows = 8;
constexpr int plain_threads = 128;

/// Rows of activations in shared memory, 256 bytes of each and their scales. Distances spread the lanes of a fragment
/// over all banks.
struct alignas(16) Stage {
  static constexpr int rows = 8 * gemm_tiles;
  static constexpr int row_bytes = 256, row_stride = 288;
  static constexpr int scale_bytes = 64, scale_stride = 80;  ///< the scales of eight blocks
  uint8_t values[rows * row_stride];
  uint8_t scales[rows * scale_stride];
};
constexpr int gemm_stages = 2;

constexpr int rope_threads = 128;

/// attention_plain and vision_plain: a block has up to eight queries of one head.
constexpr int queries = tile_positions;
constexpr int attention_threads = 128;
OWL3_BOTH constexpr int keys_at_once(int head_dim) {
  return head_dim <= 128 ? 32 : 16;
}
/// Floats of shared memory: queries, sums and merged sums; keys or values; scores; five numbers a query.
OWL3_BOTH constexpr int attention_floats(int head_dim) {
  const int keys = keys_at_once(head_dim);
  return 3 * queries * head_dim + keys * (head_dim + 1) + queries * keys + 6 * queries;
}

constexpr int pick_threads = 256;

}  // namespace owl3::cuda
