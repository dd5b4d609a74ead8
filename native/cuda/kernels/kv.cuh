// Keys and values where verbs/kv_layout.h says they lie, and their values.
#pragma once
#include "cuda/kernels/math.cuh"
#include "cuda/kernels/params.h"

namespace owl3::cuda {

/// The keys or the values of one head in a page or a crop.
struct HeadBlock {
  char* memory;
  KvFormat format;
  int head_dim, capacity;

  OWL3_DEVICE float* f32(int slot) const { return reinterpret_cast<float*>(memory) + slot * head_dim; }
  OWL3_DEVICE uint16_t* f16(int slot) const { return reinterpret_cast<uint16_t*>(memory) + slot * head_dim; }
  OWL3_DEVICE int8_t* q8(int slot) const { return reinterpret_cast<int8_t*>(memory) + slot * head_dim; }
  OWL3_DEVICE uint16_t* q8_scales(int slot) const {
    return reinterpret_cast<uint16_t*>(memory + static_cast<int64_t>(capacity) * head_dim) + slot * (head_dim / 32);
  }
  OWL3_DEVICE float value(int slot, int d) const {
    switch (format) {
      case KvFormat::f32:
        return f32(slot)[d];
      case KvFormat::f16:
        return simt::half_to_float(f16(slot)[d]);
      case KvFormat::q8_0:
        return static_cast<float>(q8(slot)[d]) * simt::half_to_float(q8_scales(slot)[d / 32]);
    }
    return 0.0f;
  }
};

/// `values`: 0 for keys, 1 for values.
OWL3_DEVICE HeadBlock page_head(const KvView& kv, int page, int head, int values) {
  const int64_t bytes = head_bytes(kv.format, kv.head_dim, kv.page_positions);
  return {kv.pages[page] + kv.page_at + (values * kv.kv_heads + head) * bytes, kv.format, kv.head_dim,
          kv.page_positions};
}
OWL3_DEVICE HeadBlock crop_head(const KvView& kv, int crop, int head, int values) {
  const int64_t bytes = head_bytes(kv.format, kv.head_dim, kv.crop_tokens);
  return {kv.crops[crop] + kv.crop_at + (values * kv.kv_heads + head) * bytes, kv.format, kv.head_dim, kv.crop_tokens};
}

}  // namespace owl3::cuda
