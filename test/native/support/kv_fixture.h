// Keys and values for the tests of attention and RoPE, and threads to run them on.
#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "cpu/attention/kv_layout.h"
#include "cpu/dispatch.h"
#include "cpu/workspace.h"
#include "gguf/quant.h"
#include "support/machine.h"

namespace owl3::test {

using namespace cpu;

struct Machine {
  explicit Machine(int threads) : pool(threads), workspace(threads) {}
  ThreadPool pool;
  Workspace workspace;
};
inline Machine& machine(int threads) {
  static Machine one(1), two(2), five(5);
  return threads == 1 ? one : threads == 2 ? two : five;
}

struct Shape {
  int heads, kv_heads, head_dim;
  ops::KvType type;
};

/// Storage filled by rope_store: crops of `crop_tokens` keys and text in pages of 64.
struct Store {
  Shape shape;
  std::vector<std::unique_ptr<char[]>> memory;
  std::vector<KvSegment> segments;
  std::vector<float> key_bias = {};   // added to all keys before they are rotated, [kv_heads * head_dim] or empty
  std::vector<float> key_shift = {};  // subtracted from the rotated keys, likewise

  KvBlock block(int capacity) {
    KvBlock b{shape.type, capacity, nullptr, nullptr};
    const size_t bytes = static_cast<size_t>(shape.kv_heads * capacity * kv::row_bytes(shape.type, shape.head_dim));
    for (void** p : {&b.k, &b.v}) {
      memory.push_back(std::make_unique<char[]>(bytes));
      memset(memory.back().get(), 0xff, bytes);  // NaN in what nobody wrote
      *p = memory.back().get();
    }
    return b;
  }

  void fill(Isa isa, std::span<const KvSlot> slots, uint32_t seed) {
    const int64_t width = int64_t{shape.kv_heads} * shape.head_dim;
    std::vector<float> kv = normal_values(slots.size() * static_cast<size_t>(2 * width), seed);
    for (size_t row = 0; row < slots.size() && !key_bias.empty(); ++row)
      for (size_t d = 0; d < key_bias.size(); ++d) kv[row * 2 * key_bias.size() + d] += key_bias[d];
    RopeRows p;
    p.k = kv.data();
    p.v = kv.data() + width;
    p.ldk = p.ldv = 2 * width;
    p.k_head_stride = p.v_head_stride = shape.head_dim;
    p.kv_heads = shape.kv_heads;
    p.head_dim = shape.head_dim;
    p.rope_theta = 1e6f;
    p.key_shift = key_shift.empty() ? nullptr : key_shift.data();
    p.slots = slots;
    rope::Angles angles;
    rope::run(kernels_of(isa).rope, p, angles, machine(2).pool);
  }

  void add_crop(Isa isa, int tokens, int position, uint32_t seed) {
    const KvBlock b = block(tokens);
    std::vector<KvSlot> slots;
    for (int i = 0; i < tokens; ++i) slots.push_back({b, i, position});
    fill(isa, slots, seed);
    segments.push_back({b, tokens, position, false});
  }
  void add_text(Isa isa, int tokens, uint32_t seed) {
    std::vector<KvSlot> slots;
    for (int t = 0; t < tokens; ++t) {
      if (t % 64 == 0) segments.push_back({block(64), std::min(64, tokens - t), t, true});
      slots.push_back({segments.back().block, t % 64, t});
    }
    fill(isa, slots, seed);
  }

  /// A key as the scores see it.
  std::vector<double> key(const KvSegment& s, int head, int slot) const {
    std::vector<double> x;
    for (int d = 0; d < shape.head_dim; ++d) x.push_back(stored(s, false, head, slot, d));
    if (shape.type != ops::KvType::q8_0) return x;
    const double length = shape.head_dim & -shape.head_dim;  // stored without the norm of the transform
    for (double& v : x) v /= std::sqrt(length);
    return hadamard(x);
  }
  std::vector<double> value(const KvSegment& s, int head, int slot) const {
    std::vector<double> x;
    for (int d = 0; d < shape.head_dim; ++d) x.push_back(stored(s, true, head, slot, d));
    return x;
  }

 private:
  double stored(const KvSegment& s, bool value, int head, int key, int d) const {
    const KvBlock& b = s.block;
    const int w = kv::group_width(b, key / 16), lane = key % 16;
    const void* from =
        value ? kv::value_row(b, head, shape.head_dim, key) : kv::key_group(b, head, shape.head_dim, key / 16);
    const int at = value ? d : d * w + lane;
    switch (b.type) {
      case ops::KvType::f32:
        return static_cast<const float*>(from)[at];
      case ops::KvType::f16:
        return gguf::f16_to_f32(static_cast<const uint16_t*>(from)[at]);
      case ops::KvType::q8_0:
        break;
    }
    if (value) {
      const char* packed = static_cast<const char*>(from) + d / 32 * kv::q8_bytes;
      uint16_t scale;
      memcpy(&scale, packed, 2);
      return static_cast<double>(gguf::f16_to_f32(scale)) * static_cast<signed char>(packed[2 + d % 32]);
    }
    return static_cast<double>(gguf::f16_to_f32(kv::key_scales(from, w, d / 32)[lane])) *
           kv::key_values(from, w, d / 32)[d % 32 * w + lane];
  }
};

}  // namespace owl3::test
