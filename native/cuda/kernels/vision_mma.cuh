// Attention inside crops on the tensor cores. Heads are padded with zeros to 32, 64, 80 (SigLIP's have 72 values) or 128;
// queries, keys, weights and values have `Terms` times 11 bits. A block has 64 queries of one head.
#pragma once
#include "cuda/kernels/flash.cuh"

namespace owl3::cuda {

/// Keys or values from `first` on to shared memory [Terms][Keys][key_stride(D)]; what follows the last token repeats it.
template <int D, int Keys, int Terms>
OWL3_DEVICE void split_tokens(const float* from, int64_t ld, int head_dim, int first, int tokens, uint16_t* to) {
  for (int i = simt::thread(); i < Keys * D / 2; i += mma_threads) {
    const int key = i / (D / 2), at = i % (D / 2) * 2;
    const float* row = from + min_of(first + key, tokens - 1) * ld + at;
    uint16_t term[Terms][2];
#pragma unroll
    for (int j = 0; j < 2; j++) {
      const float x = at + j < head_dim ? row[j] : 0.0f;
      term[0][j] = simt::float_to_half(x);
      if (Terms == 2) term[Terms - 1][j] = simt::float_to_half(x - simt::half_to_float(term[0][j]));
    }
#pragma unroll
    for (int n = 0; n < Terms; n++)
      *reinterpret_cast<uint32_t*>(to + (n * Keys + key) * key_stride(D) + at) = pair_of(term[n][0], term[n][1]);
  }
}

/// Blocks: (64 queries, head, crop).
template <int D, int Terms>
OWL3_DEVICE void vision_mma(const VisionAttentionParams& p) {
  constexpr int keys = vision_keys(D, Terms);
  auto* k = reinterpret_cast<uint16_t*>(simt::shared_memory());
  uint16_t* v = k + Terms * keys * key_stride(D);
  const int first = simt::block_x() * mma_vectors + simt::warp() * 16, head = simt::block_y();
  const bool works = first < p.tokens;
  const int64_t crop = static_cast<int64_t>(simt::block_z()) * p.tokens;
  const int64_t at = crop * p.ld + static_cast<int64_t>(head) * p.head_dim;
  const float scale = log2_e / sqrtf(static_cast<float>(p.head_dim));
  FlashWarp<D, keys, Terms, Terms> warp;
  warp.load_queries([&](int m, int d) {
    return first + m < p.tokens && d < p.head_dim ? p.q[at + (first + m) * p.ld + d] * scale : 0.0f;
  });
  warp.clear();
  for (int key = 0; key < p.tokens; key += keys) {
    split_tokens<D, keys, Terms>(p.k + at, p.ld, p.head_dim, key, p.tokens, k);
    split_tokens<D, keys, Terms>(p.v + at, p.ld, p.head_dim, key, p.tokens, v);
    simt::barrier();
    const int left[2] = {p.tokens - key, p.tokens - key};
    if (works) {
      warp.weigh(k, left);
      warp.add(v);
    }
    simt::barrier();
  }
  if (!works) return;
  warp.finish();
  const int g = simt::lane() / 4, t = simt::lane() % 4;
  const int64_t width = static_cast<int64_t>(p.heads) * p.head_dim;
#pragma unroll
  for (int h = 0; h < 2; h++) {
    const int token = first + g + 8 * h;
    if (token >= p.tokens) continue;
    const float inverse = 1.0f / warp.row_sum[h];
#pragma unroll
    for (int i = 0; i < D / 8; i++)
#pragma unroll
      for (int c = 0; c < 2; c++) {
        const int d = i * 8 + 2 * t + c;
        if (d < p.head_dim)
          p.out[(crop + token) * width + static_cast<int64_t>(head) * p.head_dim + d] =
              warp.sum[i][2 * h + c] * inverse;
      }
  }
}

#define OWL3_VISION(D)                                                        \
  OWL3_KERNEL(mma_threads, 2) vision_one_##D(const VisionAttentionParams p) { \
    vision_mma<D, 1>(p);                                                      \
  }                                                                           \
  OWL3_KERNEL(mma_threads, 2) vision_two_##D(const VisionAttentionParams p) { \
    vision_mma<D, 2>(p);                                                      \
  }
OWL3_VISION(32)
OWL3_VISION(64)
OWL3_VISION(80)
OWL3_VISION(128)
#undef OWL3_VISION

}  // namespace owl3::cuda
