// Attention and RoPE of every instruction set this machine has, against a twin in double precision.
#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "base/thread_pool.h"
#include "cpu/attention/kv_layout.h"
#include "cpu/dispatch.h"
#include "cpu/workspace.h"
#include "gguf/quant.h"
#include "support/harness.h"

using namespace owl3;
using namespace owl3::cpu;

namespace {

struct Machine {
  explicit Machine(int threads) : pool(threads), workspace(threads) {}
  ThreadPool pool;
  Workspace workspace;
};
Machine& machine(int threads) {
  static Machine one(1), two(2), five(5);
  return threads == 1 ? one : threads == 2 ? two : five;
}

std::vector<Isa> available() {
  std::vector<Isa> all;
  for (Isa isa : all_isas) {
    if (isa_available(isa)) all.push_back(isa);
  }
  return all;
}

std::vector<float> normal(size_t n, uint32_t seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution(0, scale);
  std::vector<float> x(n);
  for (float& v : x) v = distribution(random);
  return x;
}

/// One query in double: keys and values are asked for by number.
template <class Key, class Value>
std::vector<double> twin(const float* q, int head_dim, size_t keys, Key key, Value value) {
  std::vector<double> s(keys), out(static_cast<size_t>(head_dim));
  double top = -1e300, total = 0;
  for (size_t j = 0; j < keys; ++j) {
    for (int d = 0; d < head_dim; ++d) s[j] += static_cast<double>(q[d]) * key(j, d);
    s[j] /= std::sqrt(static_cast<double>(head_dim));
    top = std::max(top, s[j]);
  }
  for (double& x : s) total += x = std::exp(x - top);
  for (size_t j = 0; j < keys; ++j) {
    for (int d = 0; d < head_dim; ++d) out[static_cast<size_t>(d)] += s[j] / total * value(j, d);
  }
  return out;
}

// ---- vision
// --------------------------------------------------------------------------------------------------------------------

struct Vision {
  int crops, tokens, heads, head_dim;
  std::vector<float> qkv;
  ops::VisionAttentionParams params(std::vector<float>& out) const {
    const int64_t width = int64_t{heads} * head_dim;
    out.assign(static_cast<size_t>(crops * tokens * width), -7.0f);
    ops::VisionAttentionParams p;
    p.q = qkv.data();
    p.k = p.q + width;
    p.v = p.k + width;
    p.ld = 3 * width;
    p.out = out.data();
    p.crops = crops;
    p.tokens = tokens;
    p.heads = heads;
    p.head_dim = head_dim;
    return p;
  }
};

/// Largest error over some rows, relative to the largest value.
double vision_error(const Vision& c, const ops::VisionAttentionParams& p) {
  double worst = 0, largest = 0;
  const int step = c.tokens > 100 ? 61 : c.tokens > 50 ? 7 : 1;
  for (int crop = 0; crop < c.crops; ++crop) {
    for (int h = 0; h < c.heads; ++h) {
      auto at = [&](const float* x, int64_t row, int d) {
        return static_cast<double>(x[(crop * c.tokens + row) * p.ld + h * c.head_dim + d]);
      };
      for (int row = 0; row < c.tokens; row += step) {
        const std::vector<double> expected = twin(
            p.q + (crop * c.tokens + row) * p.ld + h * c.head_dim, c.head_dim, static_cast<size_t>(c.tokens),
            [&](size_t j, int d) { return at(p.k, static_cast<int64_t>(j), d); },
            [&](size_t j, int d) { return at(p.v, static_cast<int64_t>(j), d); });
        for (int d = 0; d < c.head_dim; ++d) {
          const double got = p.out[(static_cast<int64_t>(crop * c.tokens + row) * c.heads + h) * c.head_dim + d];
          if (!(std::abs(got) < 1e30)) return 1e30;
          worst = std::max(worst, std::abs(got - expected[static_cast<size_t>(d)]));
          largest = std::max(largest, std::abs(expected[static_cast<size_t>(d)]));
        }
      }
    }
  }
  return worst / largest;
}

// float32: 2^-24 a product over at most 128 + 729 terms of random sign, times the spread of the scores. Split bfloat16:
// 2^-16 a product. bfloat16: 2^-9 on q, k, p and v each; scores of standard deviation 1 move by about sqrt(2) 2^-9,
// largest of many 4 times it.
constexpr double exact_bound = 4e-6, float_bound = 1e-4, fast_bound = 0.03;

void check_vision(Isa isa, const Vision& c) {
  std::vector<float> out;
  ops::VisionAttentionParams p = c.params(out);
  Machine& m = machine(2);
  const attention::Kernels k = kernels_of(isa).attention;
  attention::run_vision(k, p, ops::Precision::exact, m.pool, m.workspace);
  CHECK(vision_error(c, p) < exact_bound);
  attention::run_vision(k, p, ops::Precision::automatic, m.pool, m.workspace);
  CHECK(vision_error(c, p) < float_bound);
  p.accuracy = ops::Accuracy::bfloat16;
  attention::run_vision(k, p, ops::Precision::automatic, m.pool, m.workspace);
  CHECK(vision_error(c, p) < fast_bound);
}

}  // namespace

TEST("cpu: exp2 of the softmax within 1e-7 relative, exactly 0 where masked") {
  std::vector<float> x, y;
  for (double v = 0; v > -127.5; v -= 0.00137) x.push_back(static_cast<float>(v));
  for (float v : {-1e-30f, -1e4f, -3e38f, -INFINITY}) x.push_back(v);
  while (x.size() % 16) x.push_back(0);
  for (Isa isa : available()) {
    y = x;
    kernels_of(isa).attention.exp2(y.data(), static_cast<int64_t>(y.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      if (x[i] < -126)
        CHECK_EQ(y[i], 0.0f);
      else
        CHECK_NEAR(y[i] / std::exp2(static_cast<double>(x[i])), 1, 1e-7);
    }
  }
}

TEST("cpu: vision attention over odd sizes") {
  uint32_t seed = 1;
  for (Isa isa : available()) {
    for (int head_dim : {16, 32, 36, 64, 72, 80, 128}) {
      for (int tokens : {1, 81})
        check_vision(isa, {2, tokens, 2, head_dim, normal(static_cast<size_t>(2 * tokens * 3 * 2 * head_dim), ++seed)});
    }
    check_vision(isa, {1, 729, 1, 72, normal(729 * 3 * 72, ++seed)});
  }
}

TEST("cpu: vision attention with outliers: rows and columns a thousand times the rest") {
  Vision c{1, 81, 2, 72, normal(81 * 3 * 144, 5)};
  for (int d = 0; d < 3 * 144; ++d) c.qkv[static_cast<size_t>(40 * 3 * 144 + d)] *= 1000;          // one token
  for (int row = 0; row < 81; ++row) c.qkv[static_cast<size_t>(row * 3 * 144 + 288 + 9)] *= 1000;  // one column of v
  for (Isa isa : available()) {
    std::vector<float> out;
    const ops::VisionAttentionParams p = c.params(out);
    Machine& m = machine(2);
    for (ops::Precision precision : {ops::Precision::exact, ops::Precision::automatic, ops::Precision::fast}) {
      attention::run_vision(kernels_of(isa).attention, p, precision, m.pool, m.workspace);
      CHECK(vision_error(c, p) < (precision == ops::Precision::fast ? fast_bound : float_bound));
    }
  }
}

TEST("cpu: vision attention has the same bits for any threads and batch") {
  const Vision both{2, 200, 3, 72, normal(2 * 200 * 3 * 216, 9)};
  const Vision second{1, 200, 3, 72, {both.qkv.begin() + 200 * 3 * 216, both.qkv.end()}};
  for (Isa isa : available()) {
    for (ops::Precision precision : {ops::Precision::exact, ops::Precision::automatic, ops::Precision::fast}) {
      std::vector<float> a, b, c;
      const ops::VisionAttentionParams pa = both.params(a), pb = both.params(b), pc = second.params(c);
      const attention::Kernels k = kernels_of(isa).attention;
      attention::run_vision(k, pa, precision, machine(1).pool, machine(1).workspace);
      attention::run_vision(k, pb, precision, machine(5).pool, machine(5).workspace);
      attention::run_vision(k, pc, precision, machine(2).pool, machine(2).workspace);
      CHECK(a == b);
      CHECK(std::equal(c.begin(), c.end(), a.begin() + 200 * 216));
    }
  }
}

// ---- hyper attention
// -----------------------------------------------------------------------------------------------------------

namespace {

struct Shape {
  int heads, kv_heads, head_dim;
  ops::KvType type;
};

/// Storage filled by rope_store: crops of `crop_tokens` keys and text in pages of 64.
struct Store {
  Shape shape;
  std::vector<std::unique_ptr<char[]>> memory;
  std::vector<cpu::KvSegment> segments;

  cpu::KvBlock block(int capacity) {
    cpu::KvBlock b{shape.type, capacity, nullptr, nullptr};
    const size_t bytes = static_cast<size_t>(shape.kv_heads * capacity * kv::row_bytes(shape.type, shape.head_dim));
    for (void** p : {&b.k, &b.v}) {
      memory.push_back(std::make_unique<char[]>(bytes));
      memset(memory.back().get(), 0xff, bytes);  // NaN in what nobody wrote
      *p = memory.back().get();
    }
    return b;
  }

  void fill(Isa isa, std::span<const cpu::KvSlot> slots, uint32_t seed) {
    const int64_t width = int64_t{shape.kv_heads} * shape.head_dim;
    const std::vector<float> kv = normal(slots.size() * static_cast<size_t>(2 * width), seed);
    cpu::RopeRows p;
    p.k = kv.data();
    p.v = kv.data() + width;
    p.ldk = p.ldv = 2 * width;
    p.k_head_stride = p.v_head_stride = shape.head_dim;
    p.kv_heads = shape.kv_heads;
    p.head_dim = shape.head_dim;
    p.rope_theta = 1e6f;
    p.slots = slots;
    rope::Angles angles;
    rope::run(kernels_of(isa).rope, p, angles, machine(2).pool);
  }

  void add_crop(Isa isa, int tokens, int position, uint32_t seed) {
    const cpu::KvBlock b = block(tokens);
    std::vector<cpu::KvSlot> slots;
    for (int i = 0; i < tokens; ++i) slots.push_back({b, i, position});
    fill(isa, slots, seed);
    segments.push_back({b, tokens, position, false});
  }
  void add_text(Isa isa, int tokens, uint32_t seed) {
    std::vector<cpu::KvSlot> slots;
    for (int t = 0; t < tokens; ++t) {
      if (t % 64 == 0) segments.push_back({block(64), std::min(64, tokens - t), t, true});
      slots.push_back({segments.back().block, t % 64, t});
    }
    fill(isa, slots, seed);
  }

  double stored(const cpu::KvSegment& s, bool value, int head, int key, int d) const {
    const cpu::KvBlock& b = s.block;
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

std::vector<float> attend(Isa isa, const Shape& s, const std::vector<float>& q,
                          std::span<const cpu::AttentionSequence> sequences, int threads) {
  const size_t width = static_cast<size_t>(s.heads * s.head_dim);
  std::vector<float> out(q.size(), -7.0f);
  cpu::AttentionRows p;
  p.q = q.data();
  p.ldq = static_cast<int64_t>(width);
  p.out = out.data();
  p.heads = s.heads;
  p.kv_heads = s.kv_heads;
  p.head_dim = s.head_dim;
  p.sequences = sequences;
  attention::run_hyper(kernels_of(isa).attention, p, machine(threads).pool, machine(threads).workspace);
  return out;
}

double hyper_error(const Store& store, const std::vector<float>& q, const std::vector<float>& out, int rows,
                   int first_position) {
  const Shape& s = store.shape;
  double worst = 0;
  for (int r = 0; r<rows; r += rows> 8 ? 9 : 1) {
    std::vector<std::pair<const cpu::KvSegment*, int>> keys;
    for (const cpu::KvSegment& segment : store.segments) {
      for (int i = 0; i < segment.count; ++i) {
        const int at = segment.causal ? segment.position + i : segment.position;
        if (at <= first_position + r) keys.push_back({&segment, i});
      }
    }
    for (int h = 0; h < s.heads; ++h) {
      const size_t at = static_cast<size_t>((r * s.heads + h) * s.head_dim);
      const int kv_head = h / (s.heads / s.kv_heads);
      const std::vector<double> expected = twin(
          q.data() + at, s.head_dim, keys.size(),
          [&](size_t j, int d) { return store.stored(*keys[j].first, false, kv_head, keys[j].second, d); },
          [&](size_t j, int d) { return store.stored(*keys[j].first, true, kv_head, keys[j].second, d); });
      for (int d = 0; d < s.head_dim; ++d) {
        const double error = std::abs(out[at + static_cast<size_t>(d)] - expected[static_cast<size_t>(d)]);
        worst = error < 1e30 ? std::max(worst, error) : 1e30;
      }
    }
  }
  return worst;
}

}  // namespace

TEST("cpu: hyper attention over crops and text pages, every KV type and head size") {
  uint32_t seed = 100;
  for (Isa isa : available()) {
    for (ops::KvType type : {ops::KvType::f32, ops::KvType::f16, ops::KvType::q8_0}) {
      for (int head_dim : {16, 32, 36, 64, 72, 80, 128}) {
        if (type == ops::KvType::q8_0 && head_dim % 32 != 0) continue;
        Store store{{6, 2, head_dim, type}, {}, {}};
        store.add_crop(isa, 9, 3, ++seed);
        store.add_crop(isa, 81, 20, ++seed);
        store.add_crop(isa, 16, 1000, ++seed);  // seen by nobody
        store.add_text(isa, 70, ++seed);
        for (int rows : {1, 5, 70}) {
          const int first = 70 - rows;
          const std::vector<float> q = normal(static_cast<size_t>(rows * 6 * head_dim), ++seed);
          const cpu::AttentionSequence sequence{0, rows, first, store.segments};
          const std::vector<float> out = attend(isa, store.shape, q, {&sequence, 1}, 2);
          CHECK(hyper_error(store, q, out, rows, first) <
                2e-5);  // values are about 4 at most: 2^-24 a term, as in vision
        }
      }
    }
  }
}

TEST("cpu: a row that sees no key is zero, and unseen crops are not read") {
  for (Isa isa : available()) {
    Store store{{2, 1, 32, ops::KvType::f16}, {}, {}};
    store.segments.push_back({{ops::KvType::f16, 81, nullptr, nullptr}, 81, 5, false});  // would crash
    const std::vector<float> q = normal(5 * 64, 1);
    const cpu::AttentionSequence sequence{0, 5, 0, store.segments};
    for (float x : attend(isa, store.shape, q, {&sequence, 1}, 2)) CHECK_EQ(x, 0.0f);
  }
}

TEST("cpu: hyper attention has the same bits for any chunks, threads and batch") {
  constexpr int total = 75;  // several spans of keys: 7 crops of 729
  for (Isa isa : available()) {
    for (const Shape& shape :
         {Shape{4, 2, 16, ops::KvType::f16}, Shape{3, 1, 36, ops::KvType::f32}, Shape{2, 1, 32, ops::KvType::q8_0}}) {
      if (isa == Isa::scalar && shape.head_dim > 16) continue;  // slow, and the same driver
      Store store{shape, {}, {}};
      for (int crop = 0; crop < 7; ++crop) store.add_crop(isa, 729, 4 + 8 * crop, static_cast<uint32_t>(crop));
      store.add_text(isa, total, 50);
      const std::vector<float> q = normal(static_cast<size_t>(total * shape.heads * shape.head_dim), 60);
      const cpu::AttentionSequence all{0, total, 0, store.segments};
      const std::vector<float> expected = attend(isa, shape, q, {&all, 1}, 1);
      if (shape.head_dim == 16) CHECK(hyper_error(store, q, expected, total, 0) < 2e-5);
      CHECK(expected == attend(isa, shape, q, {&all, 1}, 5));
      for (int chunk : {1, 3, 16, 64}) {
        std::vector<cpu::AttentionSequence> sequences;  // all chunks in one call: also a batch
        std::vector<std::vector<cpu::KvSegment>> segments;
        segments.reserve(total);
        for (int row = 0; row < total; row += chunk) {
          const int rows = std::min(chunk, total - row);
          segments.emplace_back();  // what there was when this chunk came
          for (cpu::KvSegment s : store.segments) {
            if (s.position >= row + rows) continue;
            if (s.causal) s.count = std::min(s.count, row + rows - s.position);
            segments.back().push_back(s);
          }
          sequences.push_back({row, rows, row, segments.back()});
        }
        CHECK(expected == attend(isa, shape, q, sequences, 2));
      }
    }
  }
}

TEST("cpu: RoPE and the KV write against a twin in double") {
  for (Isa isa : available()) {
    for (ops::KvType type : {ops::KvType::f32, ops::KvType::f16, ops::KvType::q8_0}) {
      for (int head_dim : {32, 36, 64, 80, 128}) {
        if (type == ops::KvType::q8_0 && head_dim % 32 != 0) continue;
        Store store{{3, 2, head_dim, type}, {}, {}};
        const std::vector<int> positions = {0, 7, 7, 31, 32000};
        const int rows = static_cast<int>(positions.size());
        const cpu::KvSegment segment{store.block(37), 37, 0, false};  // slots 32 to 36: the narrow group at the end
        std::vector<cpu::KvSlot> slots;
        for (int r = 0; r < rows; ++r)
          slots.push_back({segment.block, r == 0 ? 3 : 31 + r, positions[static_cast<size_t>(r)]});
        const size_t d2 = static_cast<size_t>(head_dim);
        std::vector<float> q = normal(static_cast<size_t>(rows) * 3 * d2, 1),
                           kv = normal(static_cast<size_t>(rows) * 4 * d2, 2);
        const std::vector<float> q0 = q;
        cpu::RopeRows p;  // [K|V] a head, as v_kv_proj gives them
        p.q = q.data();
        p.ldq = 3 * head_dim;
        p.k = kv.data();
        p.v = kv.data() + head_dim;
        p.ldk = p.ldv = 4 * head_dim;
        p.k_head_stride = p.v_head_stride = 2 * head_dim;
        p.heads = 3;
        p.kv_heads = 2;
        p.head_dim = head_dim;
        p.rope_theta = 1e6f;
        p.slots = slots;
        rope::Angles angles;
        rope::run(kernels_of(isa).rope, p, angles, machine(1).pool);
        auto rotated = [&](const float* x, int position, int d) {
          const int half = head_dim / 2, i = d % half;
          const float inverse = 1.0f / std::pow(1e6f, static_cast<float>(2 * i) / static_cast<float>(head_dim));
          const double angle = static_cast<float>(position) * inverse;  // the reference's float32 angle
          return d < half ? x[i] * std::cos(angle) - x[i + half] * std::sin(angle)
                          : x[i + half] * std::cos(angle) + x[i] * std::sin(angle);
        };
        const double bound = type == ops::KvType::f32   ? 1e-6
                             : type == ops::KvType::f16 ? 3e-3
                                                        : 0.03;  // of values up to 4: 2^-11, 1/254
        for (int r = 0; r < rows; ++r) {
          const size_t row = static_cast<size_t>(r);
          for (int d = 0; d < head_dim; ++d) {
            for (int h = 0; h < 3; ++h) {
              const size_t at = (row * 3 + static_cast<size_t>(h)) * d2;
              CHECK_NEAR(q[at + static_cast<size_t>(d)], rotated(q0.data() + at, positions[row], d), 1e-6);
            }
            for (int h = 0; h < 2; ++h) {
              const float* k = kv.data() + row * 4 * d2 + static_cast<size_t>(h) * 2 * d2;
              CHECK_NEAR(store.stored(segment, false, h, slots[row].slot, d), rotated(k, positions[row], d), bound);
              CHECK_NEAR(store.stored(segment, true, h, slots[row].slot, d), k[head_dim + d], bound);
            }
          }
        }
      }
    }
  }
}
