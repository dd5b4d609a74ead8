// Products y = x w^T and what follows them. A row's bits are the same from every kernel of a format: K is cut in
// `segments` runs of units, each is summed in the order of its columns, then the runs in turn.
//
//   gemv_*   at most 8 rows: a block has one strip of 16 outputs, and its 8 warps take a segment each; gemv32_*: at most
//            32 rows (several sequences, drafts), still with a block for every strip
//   gemm_*   64 rows and 64 outputs a block: a warp has a strip, rows pass through shared memory in stages of 256 bytes
//   product_plain   in float, for F32 weights and where float is asked for: one thread an output, in the order of k
//
// One launch has all strips of several outputs (Q, K and V), and of a gate's product before the one that it gates.
#pragma once
#include "cuda/kernels/formats.cuh"
#include "cuda/kernels/shapes.h"
#include "cuda/kernels/unpack.cuh"

namespace owl3::cuda {

/// Where a strip of a launch lies: the number of its output, and its own number there.
struct StripPlace {
  int output, strip;
  OWL3_DEVICE StripPlace(const ProductParams& p, int number) : output(0), strip(number) {
    for (; output + 1 < p.count && strip >= p.outputs[output].w.strips(); output++)
      strip -= p.outputs[output].w.strips();
  }
  /// Its first record of the weight, or of the gate.
  OWL3_DEVICE const uint8_t* records(const ProductParams& p, bool of_gate, int bytes) const {
    const ProductOutput& out = p.outputs[output];
    return (of_gate ? out.gate : out.w.data) + static_cast<int64_t>(strip) * p.units * bytes;
  }
  OWL3_DEVICE bool exists(const ProductParams& p) const { return strip < p.outputs[output].w.strips(); }
};
/// Calls product(of_gate, gated) for the gate, where it is multiplied first, and for the weight.
template <class Product>
OWL3_DEVICE void gate_first(const ProductParams& p, Product product) {
#pragma unroll 1
  for (int turn = p.gating == Gating::here ? 0 : 1; turn < 2; turn++)
    product(turn == 0, turn == 1 && p.gating != Gating::none);
}
/// The output whose sums are done. Its parameters are read here and not before, where they would hold registers.
OWL3_DEVICE const ProductOutput& after_sums(const ProductParams& p, const StripPlace& at) {
  return p.outputs[simt::opaque(at.output)];
}

OWL3_DEVICE void write_output(const ProductOutput& p, bool gated, int row, int output, float v) {
  float* y = p.y + row * p.ldy + output;
  if (gated) {
    const float gate = *y;
    *y = gate * sigmoid(gate) * v;
    return;
  }
  if (p.bias != nullptr) v += p.bias[output];
  if (p.activation == ProductActivation::gelu_tanh) v = gelu_tanh(v);
  if (p.activation == ProductActivation::gelu_erf) v = gelu_erf(v);
  if (p.residual != nullptr) v += p.residual[(p.residual_rows > 0 ? row % p.residual_rows : row) * p.ldy + output];
  *y = v;
}
/// The number that an f16 row was divided by; 1 for the other forms.
template <class Format>
OWL3_DEVICE float row_scale(const ProductParams& p, int row) {
  return Format::packing == Packing::f16 ? p.scales[row] : 1.0f;
}

/// Rows as they lie in memory; lane 4 g + t reads row g of each tile, and the scales of its rows 2 t and 2 t + 1.
struct GlobalRows {
  const uint8_t* values;
  const float* scale_pairs;
  int rows, padded, g, t;
  OWL3_DEVICE bool has(int tile) const { return tile * 8 < rows; }
  OWL3_DEVICE simt::Words2 fragment(int tile, int block) const {
    const int row = tile * 8 + g;
    if (row >= rows) return {};
    return *reinterpret_cast<const simt::Words2*>(values + static_cast<int64_t>(row) * padded + block * 32 + t * 8);
  }
  OWL3_DEVICE void scales(int tile, int block, float* s) const {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int row = tile * 8 + 2 * t + i;
      const float* pair = scale_pairs + (static_cast<int64_t>(row) * (padded / 32) + block) * 2;
      s[2 * i] = row < rows ? pair[0] : 0.0f;
      s[2 * i + 1] = row < rows ? pair[1] : 0.0f;
    }
  }
  OWL3_DEVICE simt::Words4 terms(int tile, int step) const {
    const int row = tile * 8 + g;
    if (row >= rows) return {};
    return *reinterpret_cast<const simt::Words4*>(values + static_cast<int64_t>(row) * padded * 4 + step * 64 + t * 16);
  }
};

template <class Format, int Tiles>
OWL3_DEVICE void gemv(const ProductParams& p) {
  using X = Activations<Format>;
  constexpr int rows = 8 * Tiles;
  auto* sums = reinterpret_cast<float*>(simt::shared_memory());  // [segments][rows][16 outputs]
  const int lane = simt::lane(), warp = simt::warp(), g = lane / 4, t = lane % 4;
  const StripPlace at(p, simt::block_x());
  const int run = (p.units + segments - 1) / segments;
  const GlobalRows x = {static_cast<const uint8_t*>(p.values), p.scales, p.rows, p.padded, g, t};
  gate_first(p, [&](bool of_gate, bool gated) {
    const uint8_t* records = at.records(p, of_gate, record_of(Format::packing).bytes);
    float acc[Tiles][4] = {};
    const int end = min_of(p.units, (warp + 1) * run);
    // About 2 KiB of loads of a warp go before their products.
    [[maybe_unused]] constexpr int ahead = Format::columns == 256 || Tiles > 1 ? 1 : 4;
#pragma unroll ahead
    for (int unit = warp * run; unit < end; unit++) {
      const auto w = Format::load(records + static_cast<int64_t>(unit) * record_of(Format::packing).bytes, lane);
      Format::template multiply<Tiles>(w, x, unit * X::unit_blocks, acc);
    }
    if (gated && p.gating == Gating::here) simt::barrier();  // the gate's sums have been read
#pragma unroll
    for (int tile = 0; tile < Tiles; tile++)
#pragma unroll
      for (int i = 0; i < 4; i++)
        sums[(warp * rows + tile * 8 + 2 * t + i % 2) * strip_rows + g + i / 2 * 8] = acc[tile][i];
    simt::barrier();
    const ProductOutput& out = after_sums(p, at);
    for (int i = simt::thread(); i < p.rows * strip_rows; i += gemv_threads) {
      const int output = at.strip * strip_rows + i % strip_rows;
      if (output >= out.w.rows) continue;
      float sum = sums[i];
      for (int s = 1; s * run < p.units; s++) sum += sums[s * rows * strip_rows + i];
      write_output(out, gated, i / strip_rows, output, sum * row_scale<Format>(p, i / strip_rows));
    }
  });
}

template <bool Terms>
struct StagedRows {
  using Stage = cuda::Stage<Terms>;
  const Stage& stage;
  int tiles, g, t;
  OWL3_DEVICE bool has(int tile) const { return tile < tiles; }
  OWL3_DEVICE simt::Words2 fragment(int tile, int block) const {
    return *reinterpret_cast<const simt::Words2*>(stage.values + (tile * 8 + g) * Stage::row_stride + block * 32 +
                                                  t * 8);
  }
  OWL3_DEVICE void scales(int tile, int block, float* s) const {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const auto pair = *reinterpret_cast<const simt::Words2*>(
          stage.scales + (tile * 8 + 2 * t + i) * Stage::scale_stride + block * 8);
      s[2 * i] = simt::as_float(pair.v[0]);
      s[2 * i + 1] = simt::as_float(pair.v[1]);
    }
  }
  OWL3_DEVICE simt::Words4 terms(int tile, int step) const {
    return *reinterpret_cast<const simt::Words4*>(stage.values + (tile * 8 + g) * Stage::row_stride + step * 64 +
                                                  t * 16);
  }
};

/// Begins to copy stage `index` of the block's rows; rows that do not exist repeat the last one.
template <class Format>
OWL3_DEVICE void copy_stage(const ProductParams& p, Stage<Activations<Format>::half>& stage, int first_row, int index) {
  using X = Activations<Format>;
  using Stage = cuda::Stage<X::half>;
  const int64_t pitch = static_cast<int64_t>(p.padded) * X::bytes_a_column;
  const int used = min_of(gemm_rows, (p.rows - first_row + 7) / 8 * 8);
  for (int i = simt::thread(); i < used * (Stage::row_bytes / 16); i += gemm_threads) {
    const int row = i / 16, at = i % 16 * 16;
    const auto* from = static_cast<const uint8_t*>(p.values) + min_of(first_row + row, p.rows - 1) * pitch;
    simt::copy_async(stage.values + row * Stage::row_stride + at, from + index * Stage::row_bytes + at);
  }
  if (!X::half)
    for (int i = simt::thread(); i < used * (Stage::scale_bytes / 16); i += gemm_threads) {
      const int row = i / 4, at = i % 4 * 4;
      const float* from = p.scales + min_of(first_row + row, p.rows - 1) * static_cast<int64_t>(p.padded / 16);
      simt::copy_async(stage.scales + row * Stage::scale_stride + 4 * at, from + index * 16 + at);
    }
  simt::copy_commit();
}

/// Blocks: (64 rows, 4 strips).
template <class Format>
OWL3_DEVICE void gemm(const ProductParams& p) {
  using X = Activations<Format>;
  using Stage = cuda::Stage<X::half>;
  constexpr int stage_units = Stage::row_bytes / X::unit_bytes;
  auto* stages = reinterpret_cast<Stage*>(simt::shared_memory());
  const int lane = simt::lane(), g = lane / 4, t = lane % 4;
  const int first_row = simt::block_x() * gemm_rows;
  const StripPlace at(p, simt::block_y() * (gemm_threads / 32) + simt::warp());
  const bool works = at.exists(p);
  const int tiles = min_of(gemm_tiles, (p.rows - first_row + 7) / 8);
  const int units = p.units, run = (units + segments - 1) / segments;
  gate_first(p, [&](bool of_gate, bool gated) {
    const uint8_t* records = at.records(p, of_gate, record_of(Format::packing).bytes);
    float acc[gemm_tiles][4] = {}, sum[gemm_tiles][4] = {};
    int segment_end = run, segment = 0;
    copy_stage<Format>(p, stages[0], first_row, 0);
    for (int unit = 0, stage = 0; unit < units; unit += stage_units, stage++) {
      if (unit + stage_units < units) {
        copy_stage<Format>(p, stages[(stage + 1) % 2], first_row, stage + 1);
        simt::copy_wait<1>();
      } else {
        simt::copy_wait<0>();
      }
      simt::barrier();
      const StagedRows<X::half> x = {stages[stage % 2], tiles, g, t};
#pragma unroll
      for (int i = 0; i < stage_units; i++) {
        if (!works || unit + i >= units) break;
        if (unit + i == segment_end) {
#pragma unroll
          for (int tile = 0; tile < gemm_tiles; tile++)
#pragma unroll
            for (int j = 0; j < 4; j++) {
              sum[tile][j] = segment == 0 ? acc[tile][j] : sum[tile][j] + acc[tile][j];
              acc[tile][j] = 0.0f;
            }
          segment_end += run;
          segment++;
        }
        const auto w = Format::load(records + static_cast<int64_t>(unit + i) * record_of(Format::packing).bytes, lane);
        Format::template multiply<gemm_tiles>(w, x, i * X::unit_blocks, acc);
      }
      simt::barrier();
    }
    if (!works) return;
    const ProductOutput& out = after_sums(p, at);
#pragma unroll
    for (int tile = 0; tile < gemm_tiles; tile++)
#pragma unroll
      for (int j = 0; j < 4; j++) {
        const int row = first_row + tile * 8 + 2 * t + j % 2, output = at.strip * strip_rows + g + j / 2 * 8;
        if (row >= p.rows || output >= out.w.rows) continue;
        const float v = segment == 0 ? acc[tile][j] : sum[tile][j] + acc[tile][j];
        write_output(out, gated, row, output, v * row_scale<Format>(p, row));
      }
  });
}

#define OWL3_PRODUCTS(name, Format)                                   \
  OWL3_KERNEL(gemv_threads, 2) gemv_##name(const ProductParams p) {   \
    gemv<Format, 1>(p);                                               \
  }                                                                   \
  OWL3_KERNEL(gemv_threads, 2) gemv32_##name(const ProductParams p) { \
    gemv<Format, 4>(p);                                               \
  }                                                                   \
  OWL3_KERNEL(gemm_threads, 2) gemm_##name(const ProductParams p) {   \
    gemm<Format>(p);                                                  \
  }
OWL3_PRODUCTS(f16, Half<Packing::f16>)
OWL3_PRODUCTS(bf16, Half<Packing::bf16>)
OWL3_PRODUCTS(q8_0, Q8_0)
OWL3_PRODUCTS(q4_0, Symmetric<false>)
OWL3_PRODUCTS(q5_0, Symmetric<true>)
OWL3_PRODUCTS(q4_k, Affine<false>)
OWL3_PRODUCTS(q5_k, Affine<true>)
OWL3_PRODUCTS(q6_k, Q6_K)
#undef OWL3_PRODUCTS

/// Blocks: (strip, 8 rows); 128 threads, one an output and row.
OWL3_KERNEL(plain_threads, 1) product_plain(const ProductParams p) {
  constexpr int step = plain_step, stride = plain_stride;
  auto* w = reinterpret_cast<float*>(simt::shared_memory());  // [16][stride]
  float* x = w + strip_rows * stride;                         // [8][stride]
  const StripPlace at(p, simt::block_x());
  const ProductOutput& out = p.outputs[at.output];
  const Packing packing = out.w.packing;
  const int first_row = simt::block_y() * plain_rows;
  const int r = simt::thread() % strip_rows, n = simt::thread() / strip_rows;
  const Record parts = record_of(packing);
  gate_first(p, [&](bool of_gate, bool gated) {
    const uint8_t* records = at.records(p, of_gate, parts.bytes);
    float sum = 0;
    for (int col = 0; col < out.w.cols; col += step) {
      for (int i = simt::thread(); i < strip_rows * step; i += simt::threads())
        w[i / step * stride + i % step] = value_at(records + static_cast<int64_t>(col / parts.columns) * parts.bytes,
                                                   packing, i / step, col % parts.columns + i % step);
      for (int i = simt::thread(); i < plain_rows * step; i += simt::threads()) {
        const int row = first_row + i / step;
        x[i / step * stride + i % step] =
            row < p.rows ? static_cast<const float*>(p.values)[static_cast<int64_t>(row) * p.padded + col + i % step]
                         : 0.0f;
      }
      simt::barrier();
      for (int i = 0; i < min_of(step, out.w.cols - col); i++) sum = fmaf(x[n * stride + i], w[r * stride + i], sum);
      simt::barrier();
    }
    const int row = first_row + n, output = at.strip * strip_rows + r;
    if (row < p.rows && output < out.w.rows) write_output(out, gated, row, output, sum);
  });
}

}  // namespace owl3::cuda
