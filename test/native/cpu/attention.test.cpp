// Attention of every instruction set this machine has, against a twin in double precision.
#include <algorithm>
#include <cmath>
#include <vector>

#include "support/harness.h"
#include "support/kv_fixture.h"

using namespace owl3;
using namespace owl3::cpu;
using namespace owl3::test;

namespace {

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

// ---- vision ----

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
  attention::vision_attention(k, p, ops::Precision::exact, m.pool, m.workspace);
  CHECK(vision_error(c, p) < exact_bound);
  attention::vision_attention(k, p, ops::Precision::automatic, m.pool, m.workspace);
  CHECK(vision_error(c, p) < float_bound);
  p.accuracy = ops::Accuracy::bfloat16;
  attention::vision_attention(k, p, ops::Precision::automatic, m.pool, m.workspace);
  CHECK(vision_error(c, p) < fast_bound);
}

}  // namespace

TEST("cpu: exp2 of the softmax within 1e-7 relative, exactly 0 where masked") {
  std::vector<float> x, y;
  for (double v = 0; v > -127.5; v -= 0.00137) x.push_back(static_cast<float>(v));
  for (float v : {-1e-30f, -1e4f, -3e38f, -INFINITY}) x.push_back(v);
  while (x.size() % 16) x.push_back(0);
  for (Isa isa : machine_isas()) {
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
  for (Isa isa : machine_isas()) {
    for (int head_dim : {16, 32, 36, 64, 72, 80, 128}) {
      for (int tokens : {1, 81})
        check_vision(
            isa, {2, tokens, 2, head_dim, normal_values(static_cast<size_t>(2 * tokens * 3 * 2 * head_dim), ++seed)});
    }
    check_vision(isa, {1, 729, 1, 72, normal_values(729 * 3 * 72, ++seed)});
  }
}

TEST("cpu: vision attention with outliers: rows and columns a thousand times the rest") {
  Vision c{1, 81, 2, 72, normal_values(81 * 3 * 144, 5)};
  for (int d = 0; d < 3 * 144; ++d) c.qkv[static_cast<size_t>(40 * 3 * 144 + d)] *= 1000;          // one token
  for (int row = 0; row < 81; ++row) c.qkv[static_cast<size_t>(row * 3 * 144 + 288 + 9)] *= 1000;  // one column of v
  for (Isa isa : machine_isas()) {
    std::vector<float> out;
    const ops::VisionAttentionParams p = c.params(out);
    Machine& m = machine(2);
    for (ops::Precision precision : {ops::Precision::exact, ops::Precision::automatic, ops::Precision::fast}) {
      attention::vision_attention(kernels_of(isa).attention, p, precision, m.pool, m.workspace);
      CHECK(vision_error(c, p) < (precision == ops::Precision::fast ? fast_bound : float_bound));
    }
  }
}

TEST("cpu: vision attention has the same bits for any threads and batch") {
  const Vision both{2, 200, 3, 72, normal_values(2 * 200 * 3 * 216, 9)};
  const Vision second{1, 200, 3, 72, {both.qkv.begin() + 200 * 3 * 216, both.qkv.end()}};
  for (Isa isa : machine_isas()) {
    for (ops::Precision precision : {ops::Precision::exact, ops::Precision::automatic, ops::Precision::fast}) {
      std::vector<float> a, b, c;
      const ops::VisionAttentionParams pa = both.params(a), pb = both.params(b), pc = second.params(c);
      const attention::Kernels k = kernels_of(isa).attention;
      attention::vision_attention(k, pa, precision, machine(1).pool, machine(1).workspace);
      attention::vision_attention(k, pb, precision, machine(5).pool, machine(5).workspace);
      attention::vision_attention(k, pc, precision, machine(2).pool, machine(2).workspace);
      CHECK(a == b);
      CHECK(std::equal(c.begin(), c.end(), a.begin() + 200 * 216));
    }
  }
}

// ---- hyper attention ----

namespace {

std::vector<float> attend(Isa isa, const Shape& s, const std::vector<float>& q,
                          std::span<const AttentionSequence> sequences, int threads, const ops::Gate& gate = {}) {
  const size_t width = static_cast<size_t>(s.heads * s.head_dim);
  std::vector<float> out(q.size(), -7.0f);
  AttentionRows p;
  p.q = q.data();
  p.ldq = static_cast<int64_t>(width);
  p.out = out.data();
  p.heads = s.heads;
  p.kv_heads = s.kv_heads;
  p.head_dim = s.head_dim;
  p.sequences = sequences;
  p.gate = gate;
  attention::attention(kernels_of(isa).attention, p, machine(threads).pool, machine(threads).workspace);
  return out;
}

using Keys = std::vector<std::pair<const KvSegment*, int>>;

/// Blends a head's text and pictures as a gate does.
std::vector<double> gated(const ops::Gate& gate, int head, const std::vector<double>& text,
                          const std::vector<double>& visual) {
  std::vector<double> out;
  const int64_t n = static_cast<int64_t>(text.size());
  for (int64_t d = 0; d < n; ++d) {
    double g = gate.weight[gate.kind == ops::GateKind::channel ? head * n + d : d];
    if (gate.kind == ops::GateKind::head) {
      double x = gate.bias[d];
      for (int64_t i = 0; i < n; ++i) x += text[static_cast<size_t>(i)] * gate.weight[i * n + d];
      g = 1 / (1 + std::exp(-x));
    }
    out.push_back((1 - g) * text[static_cast<size_t>(d)] + g * visual[static_cast<size_t>(d)]);
  }
  return out;
}

double hyper_error(const Store& store, const std::vector<float>& q, const std::vector<float>& out, int rows,
                   int first_position, const ops::Gate& gate = {}) {
  const Shape& s = store.shape;
  double worst = 0;
  for (int r = 0; r<rows; r += rows> 8 ? 9 : 1) {
    Keys crops, text;
    for (const KvSegment& segment : store.segments) {
      for (int i = 0; i < segment.count; ++i) {
        const int at = segment.causal ? segment.position + i : segment.position;
        if (at <= first_position + r) (segment.causal ? text : crops).push_back({&segment, i});
      }
    }
    Keys all = crops;
    all.insert(all.end(), text.begin(), text.end());
    for (int h = 0; h < s.heads; ++h) {
      const size_t at = static_cast<size_t>((r * s.heads + h) * s.head_dim);
      const int kv_head = h / (s.heads / s.kv_heads);
      const auto softmax = [&](const Keys& keys) {
        std::vector<std::vector<double>> k, v;
        for (const auto& [segment, slot] : keys) {
          k.push_back(store.key(*segment, kv_head, slot));
          v.push_back(store.value(*segment, kv_head, slot));
        }
        const auto of = [](const std::vector<std::vector<double>>& x) {
          return [&x](size_t j, int d) { return x[j][static_cast<size_t>(d)]; };
        };
        return twin(q.data() + at, s.head_dim, keys.size(), of(k), of(v));
      };
      const bool two = gate.kind != ops::GateKind::none && !crops.empty();
      const std::vector<double> expected = two ? gated(gate, h, softmax(text), softmax(crops)) : softmax(all);
      for (int d = 0; d < s.head_dim; ++d) {
        const double error = std::abs(out[at + static_cast<size_t>(d)] - expected[static_cast<size_t>(d)]);
        worst = error < 1e30 ? std::max(worst, error) : 1e30;
      }
    }
  }
  return worst;
}

/// `total` rows of a sequence in chunks, all of them in one call: also a batch. A chunk sees what there was when it came.
struct Chunks {
  std::vector<AttentionSequence> sequences;
  std::vector<std::vector<KvSegment>> segments;
  Chunks(const Store& store, int total, int chunk) {
    segments.reserve(static_cast<size_t>(total));
    for (int row = 0; row < total; row += chunk) {
      const int rows = std::min(chunk, total - row);
      segments.emplace_back();
      for (KvSegment s : store.segments) {
        if (s.position >= row + rows) continue;
        if (s.causal) s.count = std::min(s.count, row + rows - s.position);
        segments.back().push_back(s);
      }
      sequences.push_back({row, rows, row, segments.back()});
    }
  }
};

/// Two crops, one more that no row of the 70 rows of text sees, and the text.
Store crops_and_text(Isa isa, const Shape& shape, uint32_t& seed) {
  Store store{shape, {}, {}};
  store.add_crop(isa, 9, 3, ++seed);
  store.add_crop(isa, 81, 20, ++seed);
  store.add_crop(isa, 16, 1000, ++seed);
  store.add_text(isa, 70, ++seed);
  return store;
}

}  // namespace

TEST("cpu: hyper attention over crops and text pages, every KV type and head size") {
  uint32_t seed = 100;
  for (Isa isa : machine_isas()) {
    for (ops::KvType type : {ops::KvType::f32, ops::KvType::f16, ops::KvType::q8_0}) {
      for (int head_dim : {16, 32, 36, 64, 72, 80, 128}) {
        if (type == ops::KvType::q8_0 && head_dim % 32 != 0) continue;
        const Store store = crops_and_text(isa, {6, 2, head_dim, type}, seed);
        for (int rows : {1, 5, 70}) {
          const int first = 70 - rows;
          const std::vector<float> q = normal_values(static_cast<size_t>(rows * 6 * head_dim), ++seed);
          const AttentionSequence sequence{0, rows, first, store.segments};
          const std::vector<float> out = attend(isa, store.shape, q, {&sequence, 1}, 2);
          CHECK(hyper_error(store, q, out, rows, first) <
                2e-5);  // values are about 4 at most: 2^-24 a term, as in vision
        }
      }
    }
  }
}

TEST("cpu: q8_0 keys with a few huge channels, as biases of trained models make them") {
  for (Isa isa : machine_isas()) {
    for (int head_dim : {64, 128}) {
      // A pair of channels of each head that hardly turns has 150 times what the others have.
      std::vector<float> bias(static_cast<size_t>(2 * head_dim));
      for (int d : {head_dim / 2 - 1, head_dim - 2, 2 * head_dim - 1}) bias[static_cast<size_t>(d)] = 150;
      const std::vector<float> q = normal_values(40 * 6 * head_dim, 8, 0.5f);
      std::vector<float> out[3];
      for (int i = 0; i < 3; ++i) {  // float keys as they are; q8_0 as they are, and without the bias
        Store store{{6, 2, head_dim, i == 0 ? ops::KvType::f32 : ops::KvType::q8_0}, {}, {}, bias, {}};
        if (i == 2) store.key_shift = bias;
        store.add_crop(isa, 81, 20, 9);
        store.add_text(isa, 70, 10);
        const AttentionSequence sequence{0, 40, 30, store.segments};
        out[i] = attend(isa, store.shape, q, {&sequence, 1}, 2);
      }
      const auto error = [&](const std::vector<float>& x) {
        double sum = 0;
        for (size_t j = 0; j < x.size(); ++j) sum += std::pow(double(x[j]) - double(out[0][j]), 2);
        return std::sqrt(sum / static_cast<double>(x.size()));
      };
      // Outputs are averages of normal values. A block of 32 keys that holds a channel of 150 as it is has a scale of
      // 1.2, steps in which the other 31 would be lost (0.06 in the outputs); transformed, the channel adds 150 /
      // sqrt(head_dim) to each value; without the bias the step is that of values of about 4.
      CHECK(error(out[1]) < 0.015);
      CHECK(error(out[2]) < 0.003);
    }
  }
}

TEST("cpu: a row that sees no key is zero, and unseen crops are not read") {
  for (Isa isa : machine_isas()) {
    Store store{{2, 1, 32, ops::KvType::f16}, {}, {}};
    store.segments.push_back({{ops::KvType::f16, 81, nullptr, nullptr}, 81, 5, false});  // would crash
    const std::vector<float> q = normal_values(5 * 64, 1);
    const AttentionSequence sequence{0, 5, 0, store.segments};
    for (float x : attend(isa, store.shape, q, {&sequence, 1}, 2)) CHECK_EQ(x, 0.0f);
  }
}

TEST("cpu: hyper attention has the same bits for any chunks, threads and batch") {
  constexpr int total = 75;  // several spans of keys: 7 crops of 729
  for (Isa isa : machine_isas()) {
    for (const Shape& shape :
         {Shape{4, 2, 16, ops::KvType::f16}, Shape{3, 1, 36, ops::KvType::f32}, Shape{2, 1, 32, ops::KvType::q8_0}}) {
      if (isa == Isa::scalar && shape.head_dim > 16) continue;  // slow, and the same driver
      Store store{shape, {}, {}};
      for (int crop = 0; crop < 7; ++crop) store.add_crop(isa, 729, 4 + 8 * crop, static_cast<uint32_t>(crop));
      store.add_text(isa, total, 50);
      const std::vector<float> q = normal_values(static_cast<size_t>(total * shape.heads * shape.head_dim), 60);
      const AttentionSequence all{0, total, 0, store.segments};
      const std::vector<float> expected = attend(isa, shape, q, {&all, 1}, 1);
      if (shape.head_dim == 16) CHECK(hyper_error(store, q, expected, total, 0) < 2e-5);
      CHECK(expected == attend(isa, shape, q, {&all, 1}, 5));
      for (int chunk : {1, 3, 16, 64}) {
        const Chunks chunks(store, total, chunk);
        CHECK(expected == attend(isa, shape, q, chunks.sequences, 2));
      }
    }
  }
}

// ---- two softmaxes and a gate ----

namespace {

/// A random gate of every kind there is, over some shape.
struct Gates {
  std::vector<float> channel, weight, bias;
  explicit Gates(const Shape& s, uint32_t seed)
      : channel(normal_values(s.heads * s.head_dim, seed)),
        weight(normal_values(s.head_dim * s.head_dim, seed + 1, 1.0f / std::sqrt(static_cast<float>(s.head_dim)))),
        bias(normal_values(s.head_dim, seed + 2)) {
    for (float& g : channel) g = 1 / (1 + std::exp(-g));
  }
  std::vector<ops::Gate> all() const {
    return {{ops::GateKind::channel, channel.data(), nullptr}, {ops::GateKind::head, weight.data(), bias.data()}};
  }
};

}  // namespace

TEST("cpu: gated attention of both kinds, every KV type and head size") {
  uint32_t seed = 300;
  for (Isa isa : machine_isas()) {
    for (ops::KvType type : {ops::KvType::f32, ops::KvType::f16, ops::KvType::q8_0}) {
      for (int head_dim : {4, 16, 32, 36, 64, 72, 128}) {
        if (type == ops::KvType::q8_0 && head_dim % 32 != 0) continue;
        const Store store = crops_and_text(isa, {6, 2, head_dim, type}, seed);
        const Gates gates(store.shape, seed += 10);
        for (const ops::Gate& gate : gates.all()) {
          for (int rows : {1, 5, 70}) {
            const int first = 70 - rows;
            const std::vector<float> q = normal_values(static_cast<size_t>(rows * 6 * head_dim), ++seed);
            const AttentionSequence sequence{0, rows, first, store.segments};
            const std::vector<float> out = attend(isa, store.shape, q, {&sequence, 1}, 2, gate);
            CHECK(hyper_error(store, q, out, rows, first, gate) < 3e-5);  // a product more than one softmax has
          }
        }
      }
    }
  }
}

TEST("cpu: a gate that is closed or open, or has no picture in sight, gives one side to the bit") {
  for (Isa isa : machine_isas()) {
    for (int head_dim : {16, 36, 128}) {
      const Shape shape{6, 2, head_dim, ops::KvType::f16};
      Store store{shape, {}, {}};
      store.add_crop(isa, 81, 20, 1);
      store.add_text(isa, 70, 2);
      const std::vector<float> q = normal_values(70 * 6 * head_dim, 3);
      const size_t width = static_cast<size_t>(6 * head_dim);
      const AttentionSequence both{0, 70, 0, store.segments},
          text{0, 70, 0, std::span<const KvSegment>(store.segments).subspan(1)},
          crop{0, 70, 0, std::span<const KvSegment>(store.segments).first(1)};
      const std::vector<float> plain = attend(isa, shape, q, {&text, 1}, 2),
                               visual = attend(isa, shape, q, {&crop, 1}, 2);
      const std::vector<float> zeros(static_cast<size_t>(head_dim * head_dim), 0.0f), ones(width, 1.0f),
          low(static_cast<size_t>(head_dim), -200.0f), high(static_cast<size_t>(head_dim), 200.0f), none(width, 0.0f);
      for (const ops::Gate& closed : {ops::Gate{ops::GateKind::channel, none.data(), nullptr},
                                      ops::Gate{ops::GateKind::head, zeros.data(), low.data()}})
        CHECK(attend(isa, shape, q, {&both, 1}, 2, closed) == plain);
      for (const ops::Gate& open : {ops::Gate{ops::GateKind::channel, ones.data(), nullptr},
                                    ops::Gate{ops::GateKind::head, zeros.data(), high.data()}}) {
        const std::vector<float> out = attend(isa, shape, q, {&both, 1}, 2, open);
        const auto middle = static_cast<std::ptrdiff_t>(20 * width);
        CHECK(std::equal(out.begin(), out.begin() + middle, plain.begin()));
        CHECK(std::equal(out.begin() + middle, out.end(), visual.begin() + middle));
        CHECK(attend(isa, shape, q, {&text, 1}, 2, open) == plain);
      }
    }
  }
}

TEST("cpu: gated attention has the same bits for any chunks, threads and batch") {
  constexpr int total = 75;  // several spans of keys: 7 crops of 729
  for (Isa isa : machine_isas()) {
    for (const Shape& shape :
         {Shape{4, 2, 16, ops::KvType::f16}, Shape{3, 1, 36, ops::KvType::f32}, Shape{2, 1, 32, ops::KvType::q8_0}}) {
      if (isa == Isa::scalar && shape.head_dim > 16) continue;  // slow, and the same driver
      Store store{shape, {}, {}};
      for (int crop = 0; crop < 7; ++crop) store.add_crop(isa, 729, 4 + 8 * crop, static_cast<uint32_t>(crop));
      store.add_text(isa, total, 50);
      const std::vector<float> q = normal_values(static_cast<size_t>(total * shape.heads * shape.head_dim), 60);
      const AttentionSequence all{0, total, 0, store.segments};
      const Gates gates(shape, 70);
      for (const ops::Gate& gate : gates.all()) {
        const std::vector<float> expected = attend(isa, shape, q, {&all, 1}, 1, gate);
        CHECK(hyper_error(store, q, expected, total, 0, gate) < 3e-5);
        CHECK(expected == attend(isa, shape, q, {&all, 1}, 5, gate));
        for (int chunk : {1, 3, 16, 64}) {
          const Chunks chunks(store, total, chunk);
          CHECK(expected == attend(isa, shape, q, chunks.sequences, 2, gate));
        }
      }
    }
  }
}
