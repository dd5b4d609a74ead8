// Attention on the tensor cores (FlashAttention, arXiv 2205.14135): a warp has 16 query vectors, whose scores, softmax
// and sums stay in its registers; keys and values pass through shared memory as halves.
//
// A float becomes `terms` halves that add up to it: 11 bits or 22. Products of the smallest terms with each other are
// left out. A query vector's bits depend on its own keys alone. A key that is out of sight has the weight 0, which an
// infinity in its value would turn into NaN; so such values are put away before (spoil, remove_not_finite), and what is not
// finite is one and the same NaN at the end (finite_or_nan).
#pragma once
#include "cuda/kernels/math.cuh"
#include "cuda/kernels/shapes.h"

namespace owl3::cuda {

/// Whether one of two halves is an infinity or NaN.
OWL3_DEVICE bool not_finite(uint32_t pair) {
  return (pair & 0x7c00u) == 0x7c00u || (pair & 0x7c000000u) == 0x7c000000u;
}
/// Whether a tile of values [Keys][key_stride(D)] has one that is no finite number. `flags` [warps] is shared; the block
/// takes part as a whole.
template <int D, int Keys>
OWL3_DEVICE bool any_not_finite(const uint16_t* values, uint32_t* flags) {
  uint32_t found = 0;
  for (int i = simt::thread(); i < Keys * D / 8; i += mma_threads) {
    const auto words = *reinterpret_cast<const simt::Words4*>(values + i / (D / 8) * key_stride(D) + i % (D / 8) * 8);
#pragma unroll
    for (int j = 0; j < 4; j++) found |= not_finite(words.v[j]) ? 1u : 0u;
  }
  found = warp_max(found);
  if (simt::lane() == 0) flags[simt::warp()] = found;
  simt::barrier();
  found = 0;
#pragma unroll
  for (int i = 0; i < mma_threads / 32; i++) found |= flags[i];
  return found != 0;
}
/// Zeros instead of them.
template <int D, int Keys>
OWL3_DEVICE void remove_not_finite(uint16_t* values) {
  for (int i = simt::thread(); i < Keys * D; i += mma_threads) {
    uint16_t& v = values[i / D * key_stride(D) + i % D];
    if (not_finite(v)) v = 0;
  }
}

/// 16 query vectors of D values over tiles of `Keys` keys. Lane 4 g + t has vectors g and g + 8 (index 0 and 1 of what
/// follows), and of scores and sums columns 2 t and 2 t + 1 of each eight.
template <int D, int Keys, int QueryTerms, int Terms>
struct FlashWarp {
  static constexpr int stride = key_stride(D);

  uint32_t q[QueryTerms][D / 16][4];
  float sum[D / 8][4];
  float score[Keys / 8][4];
  float row_max[2], row_sum[2];

  /// value(vector, d): a query times log2(e) / sqrt(head_dim).
  template <class Value>
  OWL3_DEVICE void load_queries(Value value) {
    const int g = simt::lane() / 4, t = simt::lane() % 4;
#pragma unroll
    for (int i = 0; i < D / 16; i++)
#pragma unroll
      for (int r = 0; r < 4; r++) {
        uint16_t term[QueryTerms][2];
#pragma unroll
        for (int j = 0; j < 2; j++) {
          const float x = value(g + r % 2 * 8, i * 16 + r / 2 * 8 + 2 * t + j);
          term[0][j] = simt::float_to_half(x);
          if (QueryTerms == 2) term[QueryTerms - 1][j] = simt::float_to_half(x - simt::half_to_float(term[0][j]));
        }
#pragma unroll
        for (int n = 0; n < QueryTerms; n++) q[n][i][r] = pair_of(term[n][0], term[n][1]);
      }
  }
  OWL3_DEVICE void clear() {
#pragma unroll
    for (int i = 0; i < D / 8; i++)
#pragma unroll
      for (int r = 0; r < 4; r++) sum[i][r] = 0.0f;
#pragma unroll
    for (int h = 0; h < 2; h++) {
      row_max[h] = minus_infinity();
      row_sum[h] = 0.0f;
    }
  }

  /// Scores of a tile of keys [Terms][Keys][stride], and their weights 2^(score - maximum). Vector h sees the first
  /// seen[h] keys of the tile.
  OWL3_DEVICE void weigh(const uint16_t* keys, const int* seen) {
    const int lane = simt::lane(), t = lane % 4;
#pragma unroll
    for (int j = 0; j < Keys / 8; j++)
#pragma unroll
      for (int r = 0; r < 4; r++) score[j][r] = 0.0f;
#pragma unroll
    for (int i = 0; i < D / 16; i++)
#pragma unroll
      for (int j = 0; j < Keys / 16; j++)
#pragma unroll
        for (int n = Terms - 1; n >= 0; n--) {
          uint32_t k[4];
          simt::load_matrices(
              k, keys + (n * Keys + j * 16 + lane % 8 + lane / 16 * 8) * stride + i * 16 + lane / 8 % 2 * 8);
#pragma unroll
          for (int m = QueryTerms - 1; m >= 0; m--) {
            if (m + n > 1) continue;
            simt::mma_f16(score[2 * j], q[m][i], k);
            simt::mma_f16(score[2 * j + 1], q[m][i], k + 2);
          }
        }
    float next[2] = {row_max[0], row_max[1]};
#pragma unroll
    for (int j = 0; j < Keys / 8; j++)
#pragma unroll
      for (int r = 0; r < 4; r++) {
        if (j * 8 + 2 * t + r % 2 >= seen[r / 2]) score[j][r] = minus_infinity();
        next[r / 2] = fmaxf(next[r / 2], score[j][r]);  // a NaN comes through by its weight
      }
    float shrink[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
      next[h] = fmaxf(next[h], simt::shuffle_xor(next[h], 1));
      next[h] = fmaxf(next[h], simt::shuffle_xor(next[h], 2));
      const bool empty = next[h] == minus_infinity();
      shrink[h] = empty ? 1.0f : simt::exp2_fast(row_max[h] - next[h]);
      row_max[h] = next[h];
      row_sum[h] *= shrink[h];
    }
#pragma unroll
    for (int j = 0; j < Keys / 8; j++)
#pragma unroll
      for (int r = 0; r < 4; r++) {
        float weight = score[j][r] == minus_infinity() ? 0.0f : simt::exp2_fast(score[j][r] - row_max[r / 2]);
        if (Terms == 1) weight = simt::half_to_float(simt::float_to_half(weight));  // as it will be used
        row_sum[r / 2] += weight;
        score[j][r] = weight;
      }
#pragma unroll
    for (int i = 0; i < D / 8; i++)
#pragma unroll
      for (int r = 0; r < 4; r++) sum[i][r] *= shrink[r / 2];
  }

  /// Adds the weighted values [Terms][Keys][stride] of the tile.
  OWL3_DEVICE void add(const uint16_t* values) {
    const int lane = simt::lane();
#pragma unroll
    for (int j = 0; j < Keys / 16; j++) {
      uint32_t weights[Terms][4];
#pragma unroll
      for (int r = 0; r < 4; r++) {
        const float* pair = score[2 * j + r / 2] + r % 2 * 2;
        uint16_t term[Terms][2];
#pragma unroll
        for (int c = 0; c < 2; c++) {
          term[0][c] = simt::float_to_half(pair[c]);
          if (Terms == 2) term[Terms - 1][c] = simt::float_to_half(pair[c] - simt::half_to_float(term[0][c]));
        }
#pragma unroll
        for (int n = 0; n < Terms; n++) weights[n][r] = pair_of(term[n][0], term[n][1]);
      }
#pragma unroll
      for (int i = 0; i < D / 16; i++)
#pragma unroll
        for (int n = Terms - 1; n >= 0; n--) {
          uint32_t v[4];
          simt::load_matrices_transposed(v, values + (n * Keys + j * 16 + lane % 16) * stride + i * 16 + lane / 16 * 8);
#pragma unroll
          for (int m = Terms - 1; m >= 0; m--) {
            if (m + n > 1) continue;
            simt::mma_f16(sum[2 * i], weights[m], v);
            simt::mma_f16(sum[2 * i + 1], weights[m], v + 2);
          }
        }
    }
  }
  /// NaN in the sums of vectors that see a value which is no finite number; seen as in weigh().
  OWL3_DEVICE void spoil(const uint16_t* values, const int* seen) {
    const int t = simt::lane() % 4;
#pragma unroll
    for (int i = 0; i < D / 8; i++)
#pragma unroll
      for (int c = 0; c < 2; c++) {
        int first = Keys;
#pragma unroll 1
        for (int j = Keys - 1; j >= 0; j--)
          if (not_finite(values[j * stride + i * 8 + 2 * t + c])) first = j;
#pragma unroll
        for (int h = 0; h < 2; h++)
          if (first < min_of(Keys, seen[h])) sum[i][2 * h + c] = simt::as_float(0x7fc00000u);
      }
  }
  /// The sums of weights over all columns. Once, at the end of a softmax.
  OWL3_DEVICE void finish() {
#pragma unroll
    for (int h = 0; h < 2; h++) {
      row_sum[h] += simt::shuffle_xor(row_sum[h], 1);
      row_sum[h] += simt::shuffle_xor(row_sum[h], 2);
    }
  }
};

}  // namespace owl3::cuda
