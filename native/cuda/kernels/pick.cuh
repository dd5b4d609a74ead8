// The largest logits of a row, in falling order, equal ones by id; and log(sum(exp(logits))). Chunks of a row are sorted
// by a block each (bitonic), and what is left of them is sorted again until one chunk remains.
#pragma once
#include "cuda/kernels/math.cuh"
#include "cuda/kernels/shapes.h"

namespace owl3::cuda {

/// A number that is the larger, the earlier a logit comes: NaN and then nothing come last.
OWL3_DEVICE uint64_t pick_key(float logit, int32_t id) {
  const uint32_t bits = simt::as_bits(logit == 0.0f ? 0.0f : logit);
  const uint32_t ordered = logit != logit ? 0 : bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(ordered) << 32 | ~static_cast<uint32_t>(id);
}
OWL3_DEVICE int32_t id_of_key(uint64_t key) {
  return static_cast<int32_t>(~static_cast<uint32_t>(key));
}
OWL3_DEVICE float logit_of_key(uint64_t key) {
  const auto ordered = static_cast<uint32_t>(key >> 32);
  if (ordered == 0) return simt::as_float(0x7fc00000u);
  return simt::as_float(ordered >> 31 != 0 ? ordered & 0x7fffffffu : ~ordered);
}

/// Sorts `pick_chunk` keys in falling order.
OWL3_DEVICE void sort_keys(uint64_t* keys) {
  for (int size = 2; size <= pick_chunk; size *= 2)
    for (int distance = size / 2; distance > 0; distance /= 2) {
      simt::barrier();
      for (int i = simt::thread(); i < pick_chunk / 2; i += pick_threads) {
        const int low = i / distance * 2 * distance + i % distance, high = low + distance;
        const bool falling = (low & size) == 0;
        const uint64_t a = keys[low], b = keys[high];
        if ((a < b) == falling) {
          keys[low] = b;
          keys[high] = a;
        }
      }
    }
  simt::barrier();
}

/// The maximum of the chunk's logits, NaN when there is one among them, and the sum of exp(logit - maximum).
OWL3_DEVICE void sum_chunk(const float* logits, int n, float* shared, float* to) {
  float top = simt::as_float(0xff800000u), nan = 0;
  for (int i = simt::thread(); i < n; i += pick_threads) {
    top = fmaxf(top, logits[i]);
    if (logits[i] != logits[i]) nan = 1;
  }
  top = warp_max(top);
  nan = warp_max(nan);
  if (simt::lane() == 0) {
    shared[simt::warp()] = top;
    shared[8 + simt::warp()] = nan;
  }
  simt::barrier();
#pragma unroll
  for (int i = 0; i < pick_threads / 32; i++) {
    top = fmaxf(top, shared[i]);
    nan = fmaxf(nan, shared[8 + i]);
  }
  simt::barrier();
  float sum = 0;
  for (int i = simt::thread(); i < n; i += pick_threads) sum += power_of_two((logits[i] - top) * log2_e);
  sum = warp_sum(sum);
  if (simt::lane() == 0) shared[simt::warp()] = sum;
  simt::barrier();
  if (simt::thread() == 0) {
    float all = 0;
    for (int i = 0; i < pick_threads / 32; i++) all += shared[i];
    to[0] = nan > 0 ? simt::as_float(0x7fc00000u) : top;
    to[1] = all;
  }
  simt::barrier();
}

/// Blocks: (chunk, row).
OWL3_KERNEL(pick_threads, 1) pick_chunks(const PickParams p) {
  auto* keys = reinterpret_cast<uint64_t*>(simt::shared_memory());  // [pick_chunk]
  const int chunk = simt::block_x(), chunks = (p.count + pick_chunk - 1) / pick_chunk;
  const int64_t row = simt::block_y(), first = row * p.count + static_cast<int64_t>(chunk) * pick_chunk;
  const int n = min_of(pick_chunk, p.count - chunk * pick_chunk);
  if (p.sums != nullptr)
    sum_chunk(p.logits + first, n, reinterpret_cast<float*>(keys), p.sums + (row * chunks + chunk) * 2);
  if (p.k == 0) return;
  for (int i = simt::thread(); i < pick_chunk; i += pick_threads) {
    uint64_t key = 0;  // id -1
    if (i < n && p.from_ids == nullptr) key = pick_key(p.logits[first + i], chunk * pick_chunk + i);
    if (i < n && p.from_ids != nullptr) key = pick_key(p.from_values[first + i], p.from_ids[first + i]);
    keys[i] = key;
  }
  sort_keys(keys);
  const int64_t to = (row * chunks + chunk) * p.k;
  for (int i = simt::thread(); i < p.k; i += pick_threads) {
    p.ids[to + i] = id_of_key(keys[i]);
    p.values[to + i] = logit_of_key(keys[i]);
    if (i == 0 && p.first != nullptr) p.first[row] = id_of_key(keys[0]);
  }
}

/// Blocks: a row each, one warp. NaN as ops/pick.h says.
OWL3_KERNEL(32, 1) pick_sum(const PickSumParams p) {
  const int row = simt::block_x();
  const float* sums = p.sums + static_cast<int64_t>(row) * p.chunks * 2;
  float top = simt::as_float(0xff800000u), nan = 0;
  for (int i = simt::lane(); i < p.chunks; i += 32) {
    if (sums[2 * i] != sums[2 * i]) nan = 1;
    top = fmaxf(top, sums[2 * i]);
  }
  top = warp_max(top);
  nan = warp_max(nan);
  if (simt::lane() != 0) return;
  double total = 0;
  for (int i = 0; i < p.chunks; i++)
    if (sums[2 * i] > simt::as_float(0xff800000u))
      total += static_cast<double>(sums[2 * i + 1] * power_of_two((sums[2 * i] - top) * log2_e));
  const bool finite = nan == 0 && fabsf(top) <= 3.4028234e38f;
  p.log_sum_exp[row] =
      finite ? static_cast<double>(top) + log(total) : static_cast<double>(simt::as_float(0x7fc00000u));
}

}  // namespace owl3::cuda
