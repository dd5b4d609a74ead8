// The one parameter of every kernel, a struct by value. Pointers are device addresses. Plain data only: the host fills
// them in (verbs/) and both compilers must lay them out alike.
#pragma once
#include "cuda/kernels/packing.h"

namespace owl3::cuda {

// Weights.

/// Raw rows of a GGUF tensor to records.
struct RepackParams {
  const uint8_t* raw;  ///< [rows, row_bytes]
  uint8_t* packed;     ///< the record of the first row's strip
  int64_t row_bytes;
  int32_t rows;  ///< beginning at a strip; the last strip may have fewer than 16
  int32_t cols;
  int32_t units;
  Packing packing;
};

// Products.

enum class RowNorm : int32_t { none, rms, layer };

/// Rows of activations, normalised and in the form that products take.
///   int8   q [rows, padded] in blocks of 32, in the order of the mma's B operand (column 4t + 16h + j of a block at
///          8t + 4h + j), and [rows, padded / 32] pairs of floats (scale, -scale * sum of q)
///   16 bit two terms that add up to the value: of each 16 columns [t = 0..3][high, high, low, low] words of two values,
///          columns 2t, 2t + 1 and 2t + 8, 2t + 9; with f16 the row is scaled by a power of two, and row_scale undoes it
///   f32    [rows, padded]
/// Columns from k to padded are zeros.
struct RowsParams {
  const float* x;
  int64_t ldx;
  int32_t k, padded;
  RowNorm norm;
  float eps;
  const float* weight;
  const float* bias;
  void* values;
  float* scales;  ///< int8: the pairs; f16: row_scale [rows]
};

enum class ProductActivation : int32_t { none, gelu_tanh, gelu_erf };

/// Whether outputs are y = silu(g) * (x w^T), g = x gate^T. `before`: y holds g. `here`: the same launch computes g first.
enum class Gating : int32_t { none, before, here };

/// One product: y = activation(x w^T + bias) + residual, or a gated one, which has none of these.
struct ProductOutput {
  PackedMatrix w;
  const uint8_t* gate = nullptr;  ///< records of a matrix of w's size and packing; only where it is gated here
  const float* bias = nullptr;    ///< or null
  const float* residual = nullptr;
  int32_t residual_rows = 0;  ///< 0: one residual row a row
  ProductActivation activation = ProductActivation::none;
  float* y = nullptr;
  int64_t ldy = 0;
};
constexpr int32_t max_outputs = 4;

/// Products of the same rows, by one kernel: all weights have its packing, and as many columns. Their strips are numbered
/// one output after another.
struct ProductParams {
  const void* values = nullptr;  ///< rows of activations in the form that the weights take (RowsParams)
  const float* scales = nullptr;
  int32_t padded = 0;  ///< columns of `values`
  int32_t rows = 0;
  int32_t units = 0;  ///< records of a strip of every weight
  Gating gating = Gating::none;
  int32_t count = 0;
  ProductOutput outputs[max_outputs];
};

// The table of a pass, as verbs/table.h lays it out.

struct SequenceEntry {
  int32_t first_page, first_crop, crops;
};
struct CropEntry {
  int32_t crop, position;
};
/// Some consecutive rows of one sequence, at most tile_positions.
struct TileEntry {
  int32_t sequence, first_row, rows, first_position;
};
constexpr int32_t tile_positions = 8;

/// Entries that a pass uses; a replayed pass may have fewer than its grid allows for.
struct TableCounts {
  int32_t tiles;
};

struct TableView {
  const TableCounts* counts;
  const int32_t* ids;
  const int32_t* positions;
  const int32_t* row_sequence;
  const SequenceEntry* sequences;
  const TileEntry* tiles;
  const int32_t* pages;
  const CropEntry* crops;
  const int32_t* wanted;
};

// Keys and values, as verbs/kv_layout.h lays them out.

enum class KvFormat : int32_t { f32, f16, q8_0 };

/// Bytes of the keys (or values) of one head in a page or crop for `capacity` positions: whole words of 16 bytes, since
/// kernels read such words.
OWL3_BOTH constexpr int64_t head_bytes(KvFormat format, int64_t head_dim, int64_t capacity) {
  const int64_t row = format == KvFormat::f32   ? 4 * head_dim
                      : format == KvFormat::f16 ? 2 * head_dim
                                                : head_dim + head_dim / 16;
  return (capacity * row + 15) / 16 * 16;
}

/// Keys and values of one layer in all pages and crops.
struct KvView {
  char* const* pages;  ///< [page number] addresses
  char* const* crops;  ///< [crop number] addresses
  int64_t page_at;     ///< from a page's address to the layer
  int64_t crop_at;     ///< from a crop's address to the hyper layer
  KvFormat format;
  int32_t kv_heads, head_dim, page_positions, crop_tokens;
};

constexpr int32_t max_head_dim = 256;

/// Cosines and sines of rotary positions.
struct AnglesParams {
  const int32_t* positions;  ///< [rows]; null: all rows stand at `position`
  int32_t position, head_dim;
  float* angles;                    ///< [rows, head_dim]: cosines of half of them, then sines
  float inverse[max_head_dim / 2];  ///< inverse frequencies
};

/// Rotates rows, and stores their keys and values.
struct RopeStoreParams {
  float* q;  ///< or null
  int64_t ldq;
  const float* k;
  const float* v;
  int64_t ldk, ldv;
  int32_t head_stride;  ///< floats from one KV head to the next
  int32_t heads;
  const float* key_shift;
  TableView table;
  KvView kv;
  const float* angles;  ///< [rows, head_dim], or one row for all keys of a crop
  int32_t crop;         ///< the rows are keys of this crop; -1: they are the table's
};

struct CopyParams {
  const void* from;
  void* to;
  int64_t words;  ///< 16 bytes each
};

// Attention.

enum class GateForm : int32_t { none, channel, head };

constexpr int32_t split_keys = 256;  ///< text keys of a split; a crop is one, too

/// How the softmax states of splits are merged. `merged`: a block takes all of its rows' splits in turn and writes the
/// output. `split`: a block takes one split and leaves its state. `two`: as merged, but crops and text apart (a gate
/// follows), and the two states are left.
enum class StateMode : int32_t { merged, split, two };

struct AttentionParams {
  const float* q;
  int64_t ldq;
  float* out;     ///< [rows, heads * head_dim]
  float* states;  ///< [rows, heads, slots][state_floats(head_dim)]
  int32_t slots;
  StateMode mode;
  int32_t heads;
  int32_t hyper;  ///< whether crops are seen
  GateForm gate;
  const float* gate_weight;
  const float* gate_bias;
  TableView table;
  KvView kv;
};

/// A state: maximum, sum of weights, two unused, then the weighted sum of values.
constexpr int32_t state_header = 4;
OWL3_BOTH constexpr int32_t state_floats(int32_t head_dim) {
  return state_header + (head_dim + 3) / 4 * 4;
}

struct VisionAttentionParams {
  const float* q;
  const float* k;
  const float* v;
  int64_t ld;
  float* out;
  int32_t tokens, heads, head_dim;
};

// Rows, pixels and choosing.

struct GetRowsParams {
  PackedMatrix w;
  const int32_t* ids;
  float* y;
};
struct SelectRowsParams {
  const float* x;
  const int32_t* wanted;
  int32_t cols;
  float* y;
};
struct PatchifyParams {
  const uint8_t* crops;
  int32_t size, patch, side;
  float mean[3], std[3];
  float* y;
};

constexpr int32_t pick_chunk = 2048;  ///< logits or candidates that a block orders

/// Orders chunks of the logits of a row, or of the candidates that an earlier launch left, and keeps the first k of each.
struct PickParams {
  const float* logits;      ///< [rows, n], first launch
  const int32_t* from_ids;  ///< [rows, count], later ones; else null
  const float* from_values;
  int32_t count;  ///< values of a row: n, or its candidates
  int32_t k;
  int32_t* ids;  ///< [rows, chunks, k], -1 where there are fewer
  float* values;
  float* sums;     ///< [rows, chunks, 2]: first launch: the chunk's maximum and sum of exp(x - maximum)
  int32_t* first;  ///< [rows] last launch: the first id; or null
};
struct PickSumParams {
  const float* sums;  ///< [rows, chunks, 2]
  int32_t chunks;
  double* log_sum_exp;  ///< [rows]
};

}  // namespace owl3::cuda
