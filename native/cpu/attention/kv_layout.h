// Memory layout of keys and values inside a KvBlock on the CPU. Private to rope_store (writer) and attention (reader).
//
// Values: rows of head_dim, as KvBlock says. Keys: within a head, groups of sixteen keys (the last one narrower when
// the capacity is no multiple of sixteen), each transposed to [head_dim][keys of the group], so that sixteen scores are one
// vector and no product needs a sum across lanes. q8_0 groups: for every 32 values of head_dim the group's f16 scales,
// then [32][keys] int8. A group takes exactly the bytes its rows would.
//
// q8_0 keys are stored as their Hadamard transform, so that a few huge channels don't take the precision of a whole
// block; queries are transformed alike, which leaves every score as it was.
//
// `static`: each instruction set's kernels have their own copy (simd/simd.h).
#pragma once
#include <cstddef>
#include <cstdint>

#include "cpu/attention/kv_store.h"

namespace owl3::cpu::kv {

constexpr int64_t q8_bytes = 34;  // a GGML Q8_0 block: an f16 scale and 32 int8

/// Bytes of one head_dim row.
static inline int64_t row_bytes(ops::KvType type, int32_t head_dim) {
  switch (type) {
    case ops::KvType::f32:
      return int64_t{4} * head_dim;
    case ops::KvType::f16:
      return int64_t{2} * head_dim;
    case ops::KvType::q8_0:
      return head_dim / 32 * q8_bytes;
  }
  return 0;
}

/// Walsh-Hadamard transform of each of the equal runs of x [head_dim] whose length, which is returned, is the largest
/// power of two that divides head_dim. Not normalised: products of two transforms are that length times too large.
static inline int32_t hadamard(float* x, int32_t head_dim) {
  const int32_t length = head_dim & -head_dim;
  for (int32_t step = 1; step < length; step *= 2) {
    for (int32_t i = 0; i < head_dim; i += 2 * step) {
      for (int32_t j = i; j < i + step; ++j) {
        const float a = x[j], b = x[j + step];
        x[j] = a + b;
        x[j + step] = a - b;
      }
    }
  }
  return length;
}

static inline int32_t group_width(const KvBlock& b, int32_t group) {
  const int32_t left = b.capacity - 16 * group;
  return left < 16 ? left : 16;
}
static inline void* key_group(const KvBlock& b, int32_t head, int32_t head_dim, int32_t group) {
  return static_cast<char*>(b.k) + (static_cast<int64_t>(head) * b.capacity + 16 * group) * row_bytes(b.type, head_dim);
}
static inline const uint16_t* key_scales(const void* group, int32_t width, int32_t block) {
  return reinterpret_cast<const uint16_t*>(static_cast<const char*>(group) + block * width * q8_bytes);
}
static inline const int8_t* key_values(const void* group, int32_t width, int32_t block) {
  return reinterpret_cast<const int8_t*>(static_cast<const char*>(group) + block * width * q8_bytes + 2 * width);
}
static inline void* value_row(const KvBlock& b, int32_t head, int32_t head_dim, int32_t slot) {
  return static_cast<char*>(b.v) + (static_cast<int64_t>(head) * b.capacity + slot) * row_bytes(b.type, head_dim);
}

}  // namespace owl3::cpu::kv
