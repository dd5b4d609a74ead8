// Packing of rows, compiled once per instruction set. Every copy writes the same bytes; the scalar one is the twin that
// tests compare the others with.
#pragma once
#include "gguf/quant.h"

namespace owl3::gguf {

namespace scalar {
/// Packs n values (a multiple of the block size), all of them finite where the format is quantised.
void quantize(DType type, const float* x, void* blocks, int64_t n);
}  // namespace scalar

namespace avx2 {
void quantize(DType type, const float* x, void* blocks, int64_t n);
}  // namespace avx2

}  // namespace owl3::gguf
