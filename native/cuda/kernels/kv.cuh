// Keys and values where verbs/kv_layout.h says they lie, in the forms that they are stored in.
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

/// Stores a vector that lies in shared memory; all lanes of a warp take part.
OWL3_DEVICE void store_vector(const HeadBlock& to, int slot, const float* x) {
  for (int d = simt::lane(); d < to.head_dim; d += 32) {
    if (to.format == KvFormat::f32) to.f32(slot)[d] = x[d];
    if (to.format == KvFormat::f16) to.f16(slot)[d] = simt::float_to_half(x[d]);
    if (to.format == KvFormat::q8_0) {  // 32 values are one block
      const float amax = simt::as_float(warp_max(simt::as_bits(x[d]) & 0x7fffffffu));
      const uint16_t half = simt::float_to_half(amax / 127 > 65504.0f ? 65504.0f : amax / 127);
      const float scale = simt::half_to_float(half), inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
      const float q = simt::round_even(fminf(fmaxf(x[d] * inverse, -127.0f), 127.0f));
      to.q8(slot)[d] = static_cast<int8_t>(q);
      if (simt::lane() == 0) to.q8_scales(slot)[d / 32] = half;
    }
  }
}

/// The Walsh-Hadamard transform of cpu/attention/kv_layout.h: of runs of the largest power of two that divides head_dim,
/// not normalised. `x` [n, head_dim] is shared by `lanes` threads, of which this is number `lane`; `wait` is their barrier.
template <class Wait>
OWL3_DEVICE void hadamard(float* x, int n, int head_dim, int lane, int lanes, Wait wait) {
  const int length = head_dim & -head_dim;
  for (int step = 1; step < length; step *= 2) {
    wait();
    for (int i = lane; i < n * head_dim / 2; i += lanes) {
      const int at = i / step * 2 * step + i % step;
      const float a = x[at], b = x[at + step];
      x[at] = a + b;
      x[at + step] = a - b;
    }
  }
  wait();
}

}  // namespace owl3::cuda
