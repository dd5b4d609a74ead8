// The formats of tensor data: one table, and the reference (de)quantisation that every kernel is tested against.
// Block layouts are GGML's, as the `gguf` Python package reads and writes them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace owl3 {

/// Values are those of GGML's file format.
enum class DType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q5_0 = 6,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30
};

}  // namespace owl3

namespace owl3::gguf {

struct Format {
  DType type;
  const char* name;      ///< as GGUF tools print it: "Q4_K"
  uint32_t block_size;   ///< values a block
  uint32_t block_bytes;  ///< bytes a block
};

/// The format with GGML number `type`, or nullptr when we do not read it.
const Format* find_format(uint32_t type);
/// The format called `name` ("Q4_K"), or nullptr.
const Format* find_format(std::string_view name);
const Format& format(DType type);

/// Bytes of a row of `cols` values. Error{bad_model} when cols is no multiple of the block size.
uint64_t row_bytes(DType type, int64_t cols);

/// Values of `n` (a multiple of the block size) packed values, bit for bit as Python gguf's `dequantize`.
void dequantize_row(DType type, const void* src, float* dst, int64_t n);

/// Packs n values (a multiple of the block size). RMSE is at most that of llama.cpp's quantiser without an importance
/// matrix. The bytes are the same on every machine. Error{bad_model} when a value is NaN or infinite and the format has
/// blocks.
void quantize_row(DType type, const float* src, void* dst, int64_t n);

/// IEEE half and bfloat16 conversions, round to nearest even, NaN stays NaN.
float f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float f);
inline float bf16_to_f32(uint16_t h) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(h) << 16);
}
uint16_t f32_to_bf16(float f);

}  // namespace owl3::gguf
