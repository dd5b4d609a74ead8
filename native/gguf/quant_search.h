// The quantisers of block formats, compiled once per instruction set from quant_search.inc. They choose scales (and
// mins) by searching for the least squared error. Every copy computes the same bytes: blocks are vector lanes, so no
// sum is reordered.
#pragma once
#include <cstdint>

namespace owl3::gguf {

/// Each packs `blocks` blocks (of the format's size) of finite values.
struct QuantSearch {
  void (*q8_0)(const float* src, void* dst, int64_t blocks);
  void (*q4_0)(const float* src, void* dst, int64_t blocks);
  void (*q5_0)(const float* src, void* dst, int64_t blocks);
  void (*q4_k)(const float* src, void* dst, int64_t blocks);
  void (*q5_k)(const float* src, void* dst, int64_t blocks);
  void (*q6_k)(const float* src, void* dst, int64_t blocks);
};

extern const QuantSearch kQuantSearchBase;
#if defined(__x86_64__)
extern const QuantSearch kQuantSearchAvx2;
#endif

}  // namespace owl3::gguf
