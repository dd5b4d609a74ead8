// F32, F16 and BF16: the formats without blocks.
#pragma once
#include "gguf/formats/block.h"

namespace owl3::gguf {
namespace {

struct F32 {
  using Block = float;
  static constexpr int block_size = 1;
  static void dequantize(Block b, float* y) { *y = b; }
  static Block pack(const float* x) { return *x; }
  static void quantize(const float* x, void* blocks, int64_t n) { quantize_blocks<F32>(x, blocks, n); }
};

struct F16 {
  using Block = uint16_t;
  static constexpr int block_size = 1;
  static void dequantize(Block b, float* y) { *y = f16_to_f32(b); }
  static Block pack(const float* x) { return f32_to_f16(*x); }
  static void quantize(const float* x, void* blocks, int64_t n) { quantize_blocks<F16>(x, blocks, n); }
};

struct BF16 {
  using Block = uint16_t;
  static constexpr int block_size = 1;
  static void dequantize(Block b, float* y) { *y = bf16_to_f32(b); }
  static Block pack(const float* x) { return f32_to_bf16(*x); }
  static void quantize(const float* x, void* blocks, int64_t n) { quantize_blocks<BF16>(x, blocks, n); }
};

}  // namespace
}  // namespace owl3::gguf
