// Rotary embedding (NeoX pairs), and the write of keys and values. A block a row.
#pragma once
#include "cuda/kernels/kv.cuh"
#include "cuda/kernels/shapes.h"

namespace owl3::cuda {

/// In double, which most GPUs have few units for: so once for all layers of a pass, not in each.
OWL3_KERNEL(rope_threads, 1) rope_angles(const AnglesParams p) {
  const int row = simt::block_x(), half = p.head_dim / 2;
  const int position = p.positions != nullptr ? p.positions[row] : p.position;
  float* cosines = p.angles + static_cast<int64_t>(row) * p.head_dim;
  for (int i = simt::thread(); i < half; i += rope_threads) {
    const double angle = static_cast<float>(position) * p.inverse[i];
    cosines[i] = static_cast<float>(cos(angle));
    cosines[half + i] = static_cast<float>(sin(angle));
  }
}

OWL3_KERNEL(rope_threads, 1) rope_store(const RopeStoreParams p) {
  const int row = simt::block_x(), head_dim = p.kv.head_dim, half = head_dim / 2;
  float* x = reinterpret_cast<float*>(simt::shared_memory()) + simt::warp() * head_dim;  // [warps, head_dim]
  const bool visual = p.crop >= 0;
  const float *cosines = p.angles + (visual ? 0 : static_cast<int64_t>(row) * head_dim), *sines = cosines + half;
  if (p.q != nullptr)
    for (int i = simt::thread(); i < p.heads * half; i += rope_threads) {
      float* q = p.q + row * p.ldq + i / half * head_dim + i % half;
      const float a = q[0], b = q[half], c = cosines[i % half], s = sines[i % half];
      q[0] = a * c - b * s;
      q[half] = b * c + a * s;
    }
  int page = 0, slot = row;
  if (!visual) {
    const int position = p.table.positions[row];
    const SequenceEntry sequence = p.table.sequences[p.table.row_sequence[row]];
    page = p.table.pages[sequence.first_page + position / p.kv.page_positions];
    slot = position % p.kv.page_positions;
  }
  // A warp a vector: keys of all heads, then values.
  for (int item = simt::warp(); item < 2 * p.kv.kv_heads; item += rope_threads / 32) {
    const int head = item % p.kv.kv_heads, values = item / p.kv.kv_heads;
    simt::warp_barrier();
    if (values == 1) {
      const float* v = p.v + row * p.ldv + static_cast<int64_t>(head) * p.head_stride;
      for (int d = simt::lane(); d < head_dim; d += 32) x[d] = v[d];
    } else {
      const float* k = p.k + row * p.ldk + static_cast<int64_t>(head) * p.head_stride;
      const float* shift = p.key_shift != nullptr ? p.key_shift + head * head_dim : nullptr;
      for (int i = simt::lane(); i < half; i += 32) {
        const float a = k[i], b = k[i + half], c = cosines[i], s = sines[i];
        float low = a * c - b * s, high = b * c + a * s;
        if (shift != nullptr) low -= shift[i], high -= shift[i + half];
        x[i] = low;
        x[i + half] = high;
      }
      if (p.kv.format == KvFormat::q8_0) hadamard(x, 1, head_dim, simt::lane(), 32, [] { simt::warp_barrier(); });
    }
    simt::warp_barrier();
    store_vector(visual ? crop_head(p.kv, p.crop, head, values) : page_head(p.kv, page, head, values), slot, x);
  }
}

}  // namespace owl3::cuda
