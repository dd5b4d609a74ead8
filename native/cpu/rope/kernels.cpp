// RoPE and the write of keys and values, one row at a time. Compiled once for each instruction set.
#include <cstring>

#include "cpu/attention/kv_layout.h"
#include "cpu/rope/rope.h"
#include "cpu/simd/simd.h"
#include "gguf/quant.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

using attention::max_head_dim;

/// NeoX pairs: (x[i], x[i + half]) rotated by angle i. `to` may be x. Rounded as a * cos - b * sin is without fusing.
inline void rotate(const float* x, const float* angles, int32_t half, float* to) {
  int32_t i = 0;
  for (; i + 16 <= half; i += 16) {
    const Lanes a = load(x + i), b = load(x + half + i), c = load(angles + i), s = load(angles + half + i);
    store(to + i, a * c - b * s);
    store(to + half + i, b * c + a * s);
  }
  for (; i < half; ++i) {
    const float a = x[i], b = x[half + i], c = angles[i], s = angles[half + i];
    to[i] = a * c - b * s;
    to[half + i] = b * c + a * s;
  }
}

inline void to_f16(const float* x, int32_t n, uint16_t* to) {
  int32_t i = 0;
  for (; i + 16 <= n; i += 16) store_f16(to + i, load(x + i));
  for (; i < n; ++i) to[i] = gguf::f32_to_f16(x[i]);
}

inline void store_value(const KvBlock& b, int32_t head, int32_t head_dim, int32_t slot, const float* v) {
  void* to = kv::value_row(b, head, head_dim, slot);
  switch (b.type) {
    case ops::KvType::f32:
      memcpy(to, v, static_cast<size_t>(head_dim) * sizeof(float));
      break;
    case ops::KvType::f16:
      to_f16(v, head_dim, static_cast<uint16_t*>(to));
      break;
    case ops::KvType::q8_0:
      gguf::quantize_row(DType::q8_0, v, to, head_dim, Isa::OWL3_ISA);
      break;
  }
}

/// The key becomes one column of its group.
inline void store_key(const KvBlock& b, int32_t head, int32_t head_dim, int32_t slot, const float* k) {
  const int32_t group = slot / 16, lane = slot % 16, width = kv::group_width(b, group);
  void* to = kv::key_group(b, head, head_dim, group);
  switch (b.type) {
    case ops::KvType::f32:
      for (int32_t d = 0; d < head_dim; ++d) static_cast<float*>(to)[d * width + lane] = k[d];
      break;
    case ops::KvType::f16: {
      uint16_t half[max_head_dim];
      to_f16(k, head_dim, half);
      for (int32_t d = 0; d < head_dim; ++d) static_cast<uint16_t*>(to)[d * width + lane] = half[d];
      break;
    }
    case ops::KvType::q8_0: {
      char packed[max_head_dim / 32 * kv::q8_bytes];
      gguf::quantize_row(DType::q8_0, k, packed, head_dim, Isa::OWL3_ISA);
      for (int32_t d = 0; d < head_dim; d += 32) {
        const char* from = packed + d / 32 * kv::q8_bytes;
        char* block = static_cast<char*>(to) + d / 32 * width * kv::q8_bytes;
        memcpy(block + 2 * lane, from, 2);
        for (int32_t i = 0; i < 32; ++i) block[2 * width + i * width + lane] = from[2 + i];
      }
      break;
    }
  }
}

void rope_row(const RopeRows& p, int64_t row, const KvSlot& slot, const float* angles) {
  const int32_t half = p.head_dim / 2;
  if (p.q) {
    float* q = p.q + row * p.ldq;
    for (int32_t h = 0; h < p.heads; ++h, q += p.head_dim) rotate(q, angles, half, q);
  }
  float rotated[max_head_dim];
  for (int32_t h = 0; h < p.kv_heads; ++h) {
    rotate(p.k + row * p.ldk + h * p.k_head_stride, angles, half, rotated);
    const float* shift = p.key_shift + int64_t{h} * p.head_dim;
    for (int32_t d = 0; p.key_shift && d < p.head_dim; ++d) rotated[d] -= shift[d];
    if (slot.block.type == ops::KvType::q8_0) kv::hadamard(rotated, p.head_dim);
    store_key(slot.block, h, p.head_dim, slot.slot, rotated);
    store_value(slot.block, h, p.head_dim, slot.slot, p.v + row * p.ldv + h * p.v_head_stride);
  }
}

}  // namespace

extern const rope::Kernels rope_kernels;
const rope::Kernels rope_kernels{.row = rope_row};

}  // namespace owl3::cpu::OWL3_ISA
