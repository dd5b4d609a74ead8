// Rows of the embedding and rows whose logits are wanted; copies.
#pragma once
#include "cuda/kernels/shapes.h"
#include "cuda/kernels/unpack.cuh"

namespace owl3::cuda {

/// Blocks: a row each.
OWL3_KERNEL(rows_threads, 1) get_rows(const GetRowsParams p) {
  const int row = simt::block_x(), id = p.ids[row];
  for (int i = simt::thread(); i < p.w.cols; i += rows_threads)
    p.y[static_cast<int64_t>(row) * p.w.cols + i] = value_of(p.w, id, i);
}

OWL3_KERNEL(rows_threads, 1) select_rows(const SelectRowsParams p) {
  const int row = simt::block_x(), from = p.wanted[row];
  for (int i = simt::thread(); i < p.cols; i += rows_threads)
    p.y[static_cast<int64_t>(row) * p.cols + i] = p.x[static_cast<int64_t>(from) * p.cols + i];
}

OWL3_KERNEL(rows_threads, 1) copy_words(const CopyParams p) {
  const int64_t i = static_cast<int64_t>(simt::block_x()) * rows_threads + simt::thread();
  if (i < p.words) static_cast<simt::Words4*>(p.to)[i] = static_cast<const simt::Words4*>(p.from)[i];
}

/// Blocks: (row of patches, crop). The same values as the CPU's, which has them in a table.
OWL3_KERNEL(rows_threads, 1) patchify(const PatchifyParams p) {
  const int crop = simt::block_y(), py = simt::block_x(), area = p.patch * p.patch, values = 3 * area;
  float* y = p.y + (static_cast<int64_t>(crop) * p.side + py) * p.side * values;
  const uint8_t* pixels = p.crops + static_cast<int64_t>(crop) * p.size * p.size * 3;
  for (int i = simt::thread(); i < p.side * values; i += rows_threads) {
    const int px = i / values, c = i % values / area, row = py * p.patch + i % area / p.patch,
              col = px * p.patch + i % p.patch;
    const float pixel = static_cast<float>(pixels[(static_cast<int64_t>(row) * p.size + col) * 3 + c]) / 255.0f;
    y[i] = (pixel - p.mean[c]) / p.std[c];
  }
}

}  // namespace owl3::cuda
