// Helpers of all formats. A header in this folder describes a format by a struct:
//   Block                          its layout in a file (little-endian, no padding)
//   block_size                     values in a block
//   dequantize(block, y)           unpacks a block: each value with the roundings of Python gguf, in the same order
//   quantize(x, blocks, n)         packs n blocks of finite values; the destination need not be aligned
// Namespaces are anonymous because these headers are compiled once per instruction set (see gguf/half.h); for the same
// reason they use no templates of the standard library.
#pragma once
#include <cstdint>

#include "gguf/half.h"

#define OWL3_INLINE inline __attribute__((always_inline))

namespace owl3::gguf {
namespace {

template <class Block>
OWL3_INLINE Block load_block(const void* blocks, int64_t index) {
  Block b;
  __builtin_memcpy(&b, static_cast<const char*>(blocks) + index * static_cast<int64_t>(sizeof b), sizeof b);
  return b;
}

template <class Block>
OWL3_INLINE void store_block(const Block& b, void* blocks, int64_t index) {
  __builtin_memcpy(static_cast<char*>(blocks) + index * static_cast<int64_t>(sizeof b), &b, sizeof b);
}

template <class Format>
void dequantize_blocks(const void* blocks, float* y, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    Format::dequantize(load_block<typename Format::Block>(blocks, i), y + i * Format::block_size);
}

/// Packs blocks one at a time by `Format::pack(x)`.
template <class Format>
void quantize_blocks(const float* x, void* blocks, int64_t n) {
  for (int64_t i = 0; i < n; i++) store_block(Format::pack(x + i * Format::block_size), blocks, i);
}

}  // namespace
}  // namespace owl3::gguf
