// Rows of activations: normalised, and brought into the form that a product takes (RowsParams). A block of 256 threads a
// row; every sum runs in an order that depends on k alone.
#pragma once
#include "cuda/kernels/math.cuh"
#include "cuda/kernels/shapes.h"

namespace owl3::cuda {

/// Sums over the block. `parts` [warps] is shared.
OWL3_DEVICE float block_sum(float v, float* parts) {
  v = warp_sum(v);
  if (simt::lane() == 0) parts[simt::warp()] = v;
  simt::barrier();
  float sum = 0;
#pragma unroll
  for (int i = 0; i < rows_threads / 32; i++) sum += parts[i];
  simt::barrier();
  return sum;
}

/// One row, normalised as it is read.
struct NormedRow {
  const float* x;
  const float* weight;
  const float* bias;
  int k;
  RowNorm norm;
  float shift, scale;

  OWL3_DEVICE explicit NormedRow(const RowsParams& p)
      : x(p.x + simt::block_x() * p.ldx), weight(p.weight), bias(p.bias), k(p.k), norm(p.norm), shift(0), scale(1) {
    if (norm == RowNorm::none) return;
    auto* parts = reinterpret_cast<float*>(simt::shared_memory());
    if (norm == RowNorm::layer) {
      float sum = 0;
      for (int i = simt::thread(); i < k; i += rows_threads) sum += x[i];
      shift = block_sum(sum, parts) / static_cast<float>(k);
    }
    float squares = 0;
    for (int i = simt::thread(); i < k; i += rows_threads) {
      const float d = x[i] - shift;
      squares = fmaf(d, d, squares);
    }
    scale = 1.0f / sqrtf(block_sum(squares, parts) / static_cast<float>(k) + p.eps);
  }
  /// Zero from k on.
  OWL3_DEVICE float at(int i) const {
    if (i >= k) return 0.0f;
    if (norm == RowNorm::none) return x[i];
    const float v = (x[i] - shift) * scale * weight[i];
    return bias != nullptr ? v + bias[i] : v;
  }
};

struct GridScale {
  float scale, inverse;
};
/// The least scale of the grid 2^(i / 4) that is not below x (in [2^-100, 2^123]), and its inverse: the CPU's scales
/// (cpu/gemm/rows.h), so that both round activations alike.
OWL3_DEVICE GridScale grid_scale(float x) {
  const uint32_t bits = simt::as_bits(x), power = bits & 0x7f800000u;
  const float part = simt::as_float((bits & 0x007fffffu) | 0x3f800000u);
  const float step = part > 1.68179283f   ? 2.0f
                     : part > 1.41421356f ? 1.68179283f
                     : part > 1.18920712f ? 1.41421356f
                     : part > 1.0f        ? 1.18920712f
                                          : 1.0f;
  return {simt::as_float(power) * step, simt::as_float(0x7f000000u - power) * (1.0f / step)};
}

/// int8 blocks. Four lanes share a block, eight columns each.
OWL3_KERNEL(rows_threads, 1) rows_int8(const RowsParams p) {
  const NormedRow row(p);
  auto* values = static_cast<simt::Words2*>(p.values) + static_cast<int64_t>(simt::block_x()) * (p.padded / 8);
  float* scales = p.scales + static_cast<int64_t>(simt::block_x()) * (p.padded / 16);
  for (int i = simt::thread(); i < p.padded / 8; i += rows_threads) {
    const int block = i / 4, t = i % 4;
    float v[8];
    uint32_t top = 0;  // bits of the largest magnitude: above infinity when there is a NaN
#pragma unroll
    for (int j = 0; j < 8; j++) {
      v[j] = row.at(32 * block + 4 * t + j / 4 * 16 + j % 4);
      const uint32_t magnitude = simt::as_bits(v[j]) & 0x7fffffffu;
      top = magnitude > top ? magnitude : top;
    }
#pragma unroll
    for (int mask = 1; mask <= 2; mask++) {
      const uint32_t other = simt::shuffle_xor(top, mask);
      top = other > top ? other : top;
    }
    const float amax = simt::as_float(top);
    // Below 1e-28 the product of two scales may lose bits: such blocks are flushed to zero.
    const bool finite = top < 0x7f800000u && amax <= 3.4e38f, zero = amax <= 1e-28f;
    GridScale grid = {finite ? 0.0f : amax, 0.0f};  // infinity and NaN come through by the scale
    if (finite && !zero) grid = grid_scale(amax * (1 / 127.0f));
    int sum = 0;
    simt::Words2 packed = {};
#pragma unroll
    for (int j = 0; j < 8; j++) {
      int q = 0;
      if (finite) {
        q = static_cast<int>(simt::round_even(v[j] * grid.inverse));
        q = q > 127 ? 127 : q < -127 ? -127 : q;
      }
      sum += q;
      packed.v[j / 4] |= static_cast<uint32_t>(q & 255) << 8 * (j % 4);
    }
    values[i] = packed;
#pragma unroll
    for (int mask = 1; mask <= 2; mask++) sum += simt::shuffle_xor(sum, mask);
    if (t == 0) {
      scales[2 * block] = grid.scale;
      scales[2 * block + 1] = -(grid.scale * static_cast<float>(sum));
    }
  }
}

/// Two terms of 16 bits. Four lanes share sixteen columns, four each.
template <class Split>
OWL3_DEVICE void split_row(const RowsParams& p, const NormedRow& row, Split split) {
  auto* values = static_cast<simt::Words4*>(p.values) + static_cast<int64_t>(simt::block_x()) * (p.padded / 4);
  for (int i = simt::thread(); i < p.padded / 4; i += rows_threads) {
    const int first = i / 4 * 16 + i % 4 * 2;
    uint16_t high[4], low[4];
#pragma unroll
    for (int j = 0; j < 4; j++) split(row.at(first + j / 2 * 8 + j % 2), high[j], low[j]);
    values[i] = {
        {pair_of(high[0], high[1]), pair_of(high[2], high[3]), pair_of(low[0], low[1]), pair_of(low[2], low[3])}};
  }
}

/// The row is scaled so that its largest magnitude lies in [2^13, 2^14): halves have a small range.
OWL3_KERNEL(rows_threads, 1) rows_f16(const RowsParams p) {
  const NormedRow row(p);
  auto* parts = reinterpret_cast<uint32_t*>(simt::shared_memory());
  uint32_t top = 0;
  for (int i = simt::thread(); i < p.k; i += rows_threads) {
    const uint32_t magnitude = simt::as_bits(row.at(i)) & 0x7fffffffu;
    top = magnitude > top ? magnitude : top;
  }
  top = warp_max(top);
  if (simt::lane() == 0) parts[simt::warp()] = top;
  simt::barrier();
#pragma unroll
  for (int i = 0; i < rows_threads / 32; i++) top = parts[i] > top ? parts[i] : top;
  const int exponent = static_cast<int>(top >> 23);
  int power = 127;  // of the factor, biased
  if (exponent > 0 && exponent < 255) power = min_of(267 - exponent, 253);
  const float factor = simt::as_float(static_cast<uint32_t>(power) << 23);
  if (simt::thread() == 0) p.scales[simt::block_x()] = simt::as_float(static_cast<uint32_t>(254 - power) << 23);
  split_row(p, row, [factor](float x, uint16_t& high, uint16_t& low) {
    high = simt::float_to_half(x * factor);
    low = simt::float_to_half(x * factor - simt::half_to_float(high));
  });
}

OWL3_KERNEL(rows_threads, 1) rows_bf16(const RowsParams p) {
  const NormedRow row(p);
  split_row(p, row, [](float x, uint16_t& high, uint16_t& low) {
    high = float_to_bf16(x);
    low = float_to_bf16(x - bf16_to_float(high));
  });
}

OWL3_KERNEL(rows_threads, 1) rows_f32(const RowsParams p) {
  const NormedRow row(p);
  float* values = static_cast<float*>(p.values) + static_cast<int64_t>(simt::block_x()) * p.padded;
  for (int i = simt::thread(); i < p.padded; i += rows_threads) values[i] = row.at(i);
}

}  // namespace owl3::cuda
