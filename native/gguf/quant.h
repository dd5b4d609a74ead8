// The formats of tensor data, and the reference quantisation that every kernel is tested against. Block layouts are
// GGML's, as the `gguf` Python package reads and writes them; formats/ has a header for each.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/isa.h"
#include "gguf/half.h"

/// Every format: its enumerator, its name (and the struct in formats/ that describes it), its number in GGML's files.
/// DType, the table of formats and every switch over them are generated from this list.
#define OWL3_FORMATS(X) \
  X(f32, F32, 0)        \
  X(f16, F16, 1)        \
  X(bf16, BF16, 30)     \
  X(q8_0, Q8_0, 8)      \
  X(q4_0, Q4_0, 2)      \
  X(q5_0, Q5_0, 6)      \
  X(q4_k, Q4_K, 12)     \
  X(q5_k, Q5_K, 13)     \
  X(q6_k, Q6_K, 14)

namespace owl3 {

#define OWL3_ENUMERATOR(type, name, number) type = number,
enum class DType : uint32_t { OWL3_FORMATS(OWL3_ENUMERATOR) };
#undef OWL3_ENUMERATOR

}  // namespace owl3

namespace owl3::gguf {

struct Format {
  DType type;
  const char* name;      ///< as GGUF tools print it: "Q4_K"
  uint32_t block_size;   ///< values in a block
  uint32_t block_bytes;  ///< bytes that a block takes
};

/// All formats, in the order of OWL3_FORMATS.
std::span<const Format> formats();
/// The format with GGML number `type`, or nullptr when we do not read it.
const Format* find_format(uint32_t type);
/// The format called `name` ("Q4_K"), or nullptr.
const Format* find_format(std::string_view name);
const Format& format(DType type);
/// Whether the format packs values in blocks with a common scale; the others are F32, F16 and BF16.
bool quantised(DType type);

/// Bytes of a row of `cols` values. Error{bad_model} when cols is no multiple of the block size.
uint64_t row_bytes(DType type, int64_t cols);

/// Unpacks `n` (a multiple of the block size) values, bit for bit as Python gguf's `dequantize`.
void dequantize_row(DType type, const void* src, float* dst, int64_t n);

/// Packs n values (a multiple of the block size). RMSE is at most that of llama.cpp's quantiser without an importance
/// matrix. The bytes are the same on every machine and for every `isa`, which must be available. Errors: bad_model when
/// a value is NaN or infinite and the format is quantised; those of choose_isa().
void quantize_row(DType type, const float* src, void* dst, int64_t n, Isa isa = default_isa());

/// The instruction set that the code which quantize_row() runs for `isa` is compiled for.
Isa quantize_isa(Isa isa);

}  // namespace owl3::gguf
