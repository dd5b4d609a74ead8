// Matrix products of every instruction set of this machine against plain loops in double precision over the dequantised
// weights. The tolerance is the sum of what rounding may do at most:
//   int8 activations: a block of 32 has a step of amax / 127 times 2^(1/4) at most, so every x is off by up to amax /
//                     213.5, and y by the sum over blocks of amax / 213.5 * sum |w| (blocks that stand out by less)
//   int16 activations (AVX2): less than the int8 ones
//   float sums:       (k + 4) * 2^-24 * sum |w x|; two bfloat16: 2^-16 * sum |w x| more
//   int16 (both sides): x and w are off by up to amax / 11584 of their blocks of 64, each times the other
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "gguf/formats/formats.h"
#include "support/harness.h"
#include "support/weights.h"

using namespace owl3;
using namespace owl3::test;

namespace {

/// Values that are rounded to blocks with a common scale: activations to int8, or activations and weights to int16.
enum class Blocks { none, int8, int16 };

/// How products of bulk weights are done.
struct Bulk {
  Blocks blocks;
  double extra;
};
Bulk bulk_of(Isa isa, bool quantised, ops::Precision precision = ops::Precision::automatic) {
  const bool fast = precision == ops::Precision::fast;
  // May round weights and activations to bfloat16 where int8 activations were good enough, and else to two of them.
  if (isa == Isa::amx) return {Blocks::none, quantised || fast ? 0x1p-7 : 0x1p-15};
  if (quantised) return {Blocks::int8, 0};
  return {fast && (isa == Isa::avx512 || isa == Isa::avx512bf16) ? Blocks::int16 : Blocks::none, 0};
}

/// y = x w^T and how far off each may be.
void reference(const Weights& w, const float* x, Blocks blocks, double extra, double& y, double& bound, int64_t j) {
  double sum = 0, size = 0, rounding = 0, ints = 0;
  const float* row = w.values.data() + j * w.k;
  for (int64_t b = 0; b < w.k; b += 32) {
    double most = 0, weights = 0;
    for (int64_t i = b; i < std::min(w.k, b + 32); i++) {
      sum += static_cast<double>(x[i]) * static_cast<double>(row[i]);
      size += std::abs(static_cast<double>(x[i]) * static_cast<double>(row[i]));
      most = std::max(most, std::abs(static_cast<double>(x[i])));
      weights += std::abs(static_cast<double>(row[i]));
    }
    rounding += most / 213.5 * weights;
  }
  for (int64_t b = 0; blocks == Blocks::int16 && b < w.k; b += 64) {
    double max_x = 0, max_w = 0, sum_x = 0, sum_w = 0;
    for (int64_t i = b; i < std::min(w.k, b + 64); i++) {
      const double ax = std::abs(static_cast<double>(x[i])), aw = std::abs(static_cast<double>(row[i]));
      max_x = std::max(max_x, ax), max_w = std::max(max_w, aw);
      sum_x += ax, sum_w += aw;
    }
    const double off_x = max_x / 11583.9, off_w = max_w / 11583.9;
    ints += off_x * sum_w + off_w * sum_x + 64 * off_x * off_w;
  }
  y = sum;
  bound = (blocks == Blocks::int8 ? rounding : ints) + size * (static_cast<double>(w.k + 4) * 0x1p-24 + extra) + 1e-30;
}

void check_product(ops::Backend& b, const Weights& w, const std::vector<float>& x, int64_t rows, Blocks blocks,
                   double extra, ops::MatrixUse use = ops::MatrixUse::stream) {
  const auto m = b.load_matrix(w.host(use));
  std::vector<float> y(static_cast<size_t>(rows * w.n), NAN);
  const ops::LinearOutput out{.w = m.get(), .y = y.data(), .ldy = w.n};
  b.linear({.x = x.data(), .rows = rows, .ldx = w.k, .norm = {}, .outputs = {&out, 1}});
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t j = 0; j < w.n; j++) {
      double expected, bound;
      reference(w, x.data() + r * w.k, blocks, extra, expected, bound, j);
      CHECK_NEAR(y[static_cast<size_t>(r * w.n + j)], expected, bound);
    }
  }
}

}  // namespace

TEST("cpu: products of every format within their rounding, odd sizes, every instruction set") {
  for (const Isa isa : machine_isas()) {
    const auto automatic = backend_of(isa), exact = backend_of(isa, ops::Precision::exact),
               fast = backend_of(isa, ops::Precision::fast);
    for (const DType type : all_types()) {
      const bool quantised = gguf::format(type).block_size > 1;
      const int64_t k = gguf::format(type).block_size == 256 ? 512 : quantised ? 352 : 75;
      const Weights w(type, 37, k, 1);
      for (const int64_t rows : {1, 2, 3, 5, 8, 17, 74}) {
        const auto x = normal_values(rows * k, static_cast<uint32_t>(rows));
        check_product(*automatic, w, x, rows, quantised ? Blocks::int8 : Blocks::none,
                      type == DType::bf16 ? 0x1p-16 : 0);
        if (rows == 3 || rows == 17) check_product(*exact, w, x, rows, Blocks::none, 0x1p-22);
        const Bulk bulk = bulk_of(isa, quantised);
        if (rows >= 8) check_product(*automatic, w, x, rows, bulk.blocks, bulk.extra, ops::MatrixUse::bulk);
        if (rows == 17) check_product(*exact, w, x, rows, Blocks::none, 0x1p-22, ops::MatrixUse::bulk);
        const Bulk coarse = bulk_of(isa, quantised, ops::Precision::fast);
        check_product(*fast, w, x, rows, coarse.blocks, coarse.extra, ops::MatrixUse::bulk);
      }
    }
  }
}

TEST("cpu: many rows of bulk weights, more than a block of rows and of columns") {
  for (const Isa isa : machine_isas()) {
    for (const ops::Precision precision : {ops::Precision::automatic, ops::Precision::fast}) {
      const auto b = backend_of(isa, precision);
      for (const DType type : {DType::q8_0, DType::f32, DType::bf16}) {
        const int64_t rows = isa == Isa::scalar ? 150 : 803;
        const Weights w(type, 35, 1120, 5);
        const Bulk bulk = bulk_of(isa, type == DType::q8_0, precision);
        check_product(*b, w, normal_values(rows * 1120, 6), rows, bulk.blocks, bulk.extra, ops::MatrixUse::bulk);
      }
    }
  }
}

TEST("cpu: products with outliers, zeros and tiny activations") {
  for (const Isa isa : machine_isas()) {
    const auto b = backend_of(isa);
    const auto fast = backend_of(isa, ops::Precision::fast);
    for (const DType type : {DType::bf16, DType::q8_0, DType::q4_k, DType::q6_k}) {
      const Weights w(type, 19, 512, 2);
      auto x = normal_values(6 * 512, 3);
      x[100] = 1000;  // one value 1,000 times the rest
      for (int i = 0; i < 512; i++) x[512 + static_cast<size_t>(i)] = 0;
      for (int i = 0; i < 512; i++) x[1024 + static_cast<size_t>(i)] *= 1e-20f;
      for (int i = 0; i < 512; i++) x[1536 + static_cast<size_t>(i)] *= 1e6f;
      for (int i = 0; i < 512; i += 32) x[2048 + static_cast<size_t>(i)] *= -1000;
      const bool quantised = type != DType::bf16;
      check_product(*b, w, x, 5, quantised ? Blocks::int8 : Blocks::none, quantised ? 0 : 0x1p-16);
      for (const ops::Precision precision : {ops::Precision::automatic, ops::Precision::fast}) {
        const Bulk bulk = bulk_of(isa, quantised, precision);
        check_product(precision == ops::Precision::fast ? *fast : *b, w, x, 5, bulk.blocks, bulk.extra,
                      ops::MatrixUse::bulk);
      }
      for (int i = 0; i < 512; i++) x[static_cast<size_t>(i)] = 1e-41f;  // denormals: nothing worse than zero
      for (const ops::MatrixUse use : {ops::MatrixUse::stream, ops::MatrixUse::bulk}) {
        ops::Backend& any = use == ops::MatrixUse::bulk ? *fast : *b;
        const auto m = any.load_matrix(w.host(use));
        std::vector<float> y(19, NAN);
        const ops::LinearOutput out{.w = m.get(), .y = y.data(), .ldy = 19};
        any.linear({.x = x.data(), .rows = 1, .ldx = 512, .norm = {}, .outputs = {&out, 1}});
        for (const float v : y) CHECK_NEAR(v, 0, 1e-38);
      }
    }
  }
}

TEST("cpu: largest quantised values do not overflow a sum") {
  std::vector<char> bytes(34 * 2 * 16);
  for (size_t b = 0; b < 32; b++) {
    const uint16_t one = 0x3c00;
    std::memcpy(&bytes[b * 34], &one, 2);
    std::memset(&bytes[b * 34 + 2], b % 2 ? 127 : -128, 32);
  }
  std::vector<float> x(64);
  for (size_t i = 0; i < 64; i++) x[i] = i < 32 ? -127.0f : 127.0f;
  for (const Isa isa : machine_isas()) {
    const auto b = backend_of(isa);
    const auto m = b->load_matrix({DType::q8_0, 16, 64, bytes.data()});
    std::vector<float> y(16);
    const ops::LinearOutput out{.w = m.get(), .y = y.data(), .ldy = 16};
    b->linear({.x = x.data(), .rows = 1, .ldx = 64, .norm = {}, .outputs = {&out, 1}});
    const float sum = 32.0f * 127 * 128 + 32 * 127 * 127;
    CHECK_NEAR(y[3], sum, isa == Isa::avx2 ? 1e-6f * sum : 0);  // a scale of 127 / 32767 is rounded
  }
}

namespace {

/// [16, 256] of blocks whose bits are all ones, but for their factors, which are 1.
template <class Block>
std::vector<char> all_ones(int64_t columns) {
  std::vector<char> bytes(sizeof(Block) * static_cast<size_t>(16 * 256 / columns), '\xff');
  for (size_t at = 0; at < bytes.size(); at += sizeof(Block)) {
    Block block;
    std::memcpy(&block, &bytes[at], sizeof block);
    block.d = 0x3c00;
    if constexpr (requires { block.dmin; }) block.dmin = 0x3c00;
    std::memcpy(&bytes[at], &block, sizeof block);
  }
  return bytes;
}

}  // namespace

TEST("cpu: largest values of four to six bits do not overflow a sum, in few rows and in many") {
  const std::pair<DType, std::vector<char>> matrices[] = {{DType::q4_0, all_ones<gguf::BlockQ4_0>(32)},
                                                          {DType::q5_0, all_ones<gguf::BlockQ5_0>(32)},
                                                          {DType::q4_k, all_ones<gguf::BlockQ4_K>(256)},
                                                          {DType::q5_k, all_ones<gguf::BlockQ5_K>(256)},
                                                          {DType::q6_k, all_ones<gguf::BlockQ6_K>(256)}};
  constexpr int64_t rows = 17;
  std::vector<float> x(rows * 256);
  for (size_t i = 0; i < x.size(); i++) x[i] = i / 256 % 2 ? -127.0f : 127.0f;  // int8 holds them as they are
  for (const Isa isa : machine_isas()) {
    for (const auto& [type, bytes] : matrices) {
      std::vector<float> y[2];
      for (const bool exact : {false, true}) {
        const auto b = backend_of(isa, exact ? ops::Precision::exact : ops::Precision::automatic);
        const auto m = b->load_matrix({type, 16, 256, bytes.data()});
        for (const int64_t n : {int64_t{1}, int64_t{2}, rows}) {
          std::vector<float> some(static_cast<size_t>(16 * n));
          const ops::LinearOutput out{.w = m.get(), .y = some.data(), .ldy = 16};
          b->linear({.x = x.data(), .rows = n, .ldx = 256, .norm = {}, .outputs = {&out, 1}});
          y[exact].insert(y[exact].end(), some.begin(), some.end());
        }
      }
      for (size_t i = 0; i < y[0].size(); i++) {
        CHECK(std::abs(y[1][i]) > 256 * 127 * 6);
        CHECK_NEAR(y[0][i], y[1][i], 1e-4f * std::abs(y[1][i]));
      }
    }
  }
}

TEST("cpu: activations have the least step that they may: int8 a power of two times one of four constants") {
  // One weight of 1 a block: y is x as it was rounded, summed over two blocks of which the second is zero.
  std::vector<char> bytes(34 * 2 * 16);
  const uint16_t one = 0x3c00;
  for (size_t b = 0; b < 32; b++) std::memcpy(&bytes[b * 34], &one, 2);
  for (size_t row = 0; row < 16; row++) bytes[row * 68 + 2 + row] = 1;
  std::mt19937 rng(3);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (const Isa isa : machine_isas()) {
    const auto b = backend_of(isa);
    const auto m = b->load_matrix({DType::q8_0, 16, 64, bytes.data()});
    for (int i = 0; i < 200; i++) {
      std::vector<float> x(64), y(16);
      const float size = std::ldexp(1 + uniform(rng) / 2, i % 60 - 30);
      for (size_t j = 0; j < 32; j++) x[j] = size * uniform(rng);
      const ops::LinearOutput out{.w = m.get(), .y = y.data(), .ldy = 16};
      b->linear({.x = x.data(), .rows = 1, .ldx = 64, .norm = {}, .outputs = {&out, 1}});
      const auto most = static_cast<double>(
          std::abs(*std::max_element(x.begin(), x.end(), [](float p, float q) { return std::abs(p) < std::abs(q); })));
      if (isa == Isa::avx2) {  // int16
        for (size_t j = 0; j < 16; j++) CHECK_NEAR(y[j], x[j], 0.505 * most / 32767);
        continue;
      }
      const double step = std::exp2(std::ceil(4 * std::log2(most / 127)) / 4);
      for (size_t j = 0; j < 16; j++)
        CHECK_NEAR(y[j], step * std::nearbyint(static_cast<double>(x[j]) / step), 1e-5 * most);
    }
  }
}

TEST("cpu: values beside a channel a hundred times as large are not rounded by its step, and those of logits by none") {
  // Weights of 1 at single columns: y is x as it was rounded.
  const int64_t k = 2560, n = 96;
  std::vector<char> bytes(static_cast<size_t>(k / 32 * 34 * n));
  const uint16_t one = 0x3c00;
  for (size_t b = 0; b < bytes.size(); b += 34) std::memcpy(&bytes[b], &one, 2);
  const auto column = [](size_t j) { return j / 8 * 192 + j % 8 * 4; };
  for (size_t j = 0; j < static_cast<size_t>(n); j++)
    bytes[(j * static_cast<size_t>(k) / 32 + column(j) / 32) * 34 + 2 + column(j) % 32] = 1;
  for (const Isa isa : machine_isas()) {
    const auto b = backend_of(isa);
    for (const ops::MatrixUse use : {ops::MatrixUse::stream, ops::MatrixUse::logits}) {
      const auto m = b->load_matrix({DType::q8_0, n, k, bytes.data(), use});
      for (const int64_t rows : {1, 3, 40}) {
        auto x = normal_values(rows * k, 21);
        for (int64_t r = 0; r < rows;
             r++) {  // in blocks of columns that are picked out; the others beside them are not
          for (int64_t outlier = 0; outlier < 5; outlier++)
            x[static_cast<size_t>(r * k + outlier * 192 + 31)] = outlier == 4 ? 3.0f : 100.0f;
        }
        std::vector<float> y(static_cast<size_t>(rows * n));
        const ops::LinearOutput out{.w = m.get(), .y = y.data(), .ldy = n};
        b->linear({.x = x.data(), .rows = rows, .ldx = k, .norm = {}, .outputs = {&out, 1}});
        double outlying = 0, larger = 0, others = 0;
        for (size_t i = 0; i < y.size(); i++) {
          const size_t r = i / static_cast<size_t>(n), group = i % static_cast<size_t>(n) / 8;
          const float in = x[r * static_cast<size_t>(k) + column(i % static_cast<size_t>(n))];
          double& off = group < 4 ? outlying : group == 4 ? larger : others;
          off = std::max(off, std::abs(static_cast<double>(y[i] - in)));
        }
        CHECK(outlying < 0.002);  // 100 / 127 / 254 would allow 0.0016
        CHECK(others < 0.02);
        if (isa == Isa::avx2) continue;
        // A block's largest value is 2.3 in the geometric mean, and 3 is not 1.7 times as large.
        CHECK(use == ops::MatrixUse::stream ? larger > 0.005 : larger < 0.0001);
        CHECK(use == ops::MatrixUse::stream ? others > 0.005 : others < 0.0001);
      }
    }
  }
}

TEST("cpu: an infinite activation leaves no finite result, in few rows and in many") {
  const Weights w(DType::q8_0, 32, 64, 11);
  for (const Isa isa : machine_isas()) {
    const auto b = backend_of(isa);
    const auto m = b->load_matrix(w.host());
    for (const int64_t rows : {1, 30}) {
      std::vector<float> x(static_cast<size_t>(64 * rows), 1.0f), y(static_cast<size_t>(32 * rows));
      for (size_t r = 0; r < static_cast<size_t>(rows); r++) x[64 * r + 40] = INFINITY;
      const ops::LinearOutput out{.w = m.get(), .y = y.data(), .ldy = 32};
      b->linear({.x = x.data(), .rows = rows, .ldx = 64, .norm = {}, .outputs = {&out, 1}});
      for (const float v : y) CHECK(!std::isfinite(v));
    }
  }
}

TEST("cpu: blocks of largest bulk float values do not overflow a sum") {
  for (const Isa isa : machine_isas()) {
    const auto b = backend_of(isa, ops::Precision::fast);
    for (const float sign : {1.0f, -1.0f}) {
      const std::vector<float> w(16 * 192, 3.0f), x(192, 5.0f * sign);
      const auto m = b->load_matrix({DType::f32, 16, 192, w.data(), ops::MatrixUse::bulk});
      std::vector<float> y(16);
      const ops::LinearOutput out{.w = m.get(), .y = y.data(), .ldy = 16};
      b->linear({.x = x.data(), .rows = 1, .ldx = 192, .norm = {}, .outputs = {&out, 1}});
      for (const float v : y) CHECK_NEAR(v, sign * 192 * 15, 192 * 15 * 1e-6);
    }
  }
}

TEST("cpu: more rows than a call of the int8 kernel takes, with a value 1,000 times the rest in each block") {
  for (const Isa isa : machine_isas()) {
    const auto b = backend_of(isa);
    for (const DType type : {DType::q8_0, DType::q4_k, DType::q6_k}) {
      const int64_t k = 1024, rows = 531;
      const Weights w(type, 21, k, 9);
      auto x = normal_values(rows * k, 10);
      for (size_t i = 5; i < x.size(); i += 33) x[i] *= 1000;
      check_product(*b, w, x, rows, Blocks::int8, 0);
    }
  }
}

TEST("cpu: gate and up of a group of panels, its last one in part, as two products say") {
  for (const Isa isa : machine_isas()) {
    const auto b = backend_of(isa);
    const int64_t k = 512, n = 139, rows = 21;
    const Weights up(DType::q4_k, n, k, 11), gate(DType::q6_k, n, k, 12);
    const auto u = b->load_matrix(up.host()), g = b->load_matrix(gate.host());
    const auto x = normal_values(rows * k, 13), bias = normal_values(n, 14), residual = normal_values(rows * n, 15);
    std::vector<float> a(static_cast<size_t>(rows * n)), s(a), y(a.size() + 1, NAN);
    const ops::LinearOutput apart[2] = {{.w = u.get(), .y = a.data(), .ldy = n},
                                        {.w = g.get(), .y = s.data(), .ldy = n}};
    b->linear({.x = x.data(), .rows = rows, .ldx = k, .norm = {}, .outputs = apart});
    const ops::LinearOutput both{
        .w = u.get(), .gate = g.get(), .bias = bias.data(), .residual = residual.data(), .y = y.data(), .ldy = n};
    b->linear({.x = x.data(), .rows = rows, .ldx = k, .norm = {}, .outputs = {&both, 1}});
    for (size_t i = 0; i < a.size(); i++) {
      const double v = s[i] / (1 + std::exp(-static_cast<double>(s[i]))) * static_cast<double>(a[i]);
      CHECK_NEAR(y[i], v + bias[i % static_cast<size_t>(n)] + residual[i], 1e-5 * (1 + std::abs(v)));
    }
    CHECK(std::isnan(y[a.size()]));
  }
}

TEST("cpu: rows of packed weights come back as dequantize_row has them") {
  for (const Isa isa : machine_isas()) {
    const auto b = backend_of(isa);
    for (const DType type : all_types()) {
      const Weights w(type, 35, 512, 6);
      const auto m = b->load_matrix(w.host());
      const std::vector<int32_t> ids = {0, 34, 16, 15, 16};
      std::vector<float> y(ids.size() * 512);
      ops::PassTable table;
      table.ids = ids;
      const auto store = b->make_kv_store({});
      b->begin(table, *store);
      b->get_rows(*m, y.data());
      for (size_t i = 0; i < ids.size(); i++) {
        CHECK(std::memcmp(&y[i * 512], &w.values[static_cast<size_t>(ids[i]) * 512], 512 * sizeof(float)) == 0);
      }
    }
  }
}

TEST("cpu: norm, bias, activation, gate and residual around a product, every instruction set") {
  const int64_t k = 75, n = 21, rows = 5;
  const Weights w(DType::f32, n, k, 1), g(DType::f32, n, k, 2);
  const auto x = normal_values(rows * k, 3, 10), bias = normal_values(n, 4), norm_w = normal_values(k, 5),
             norm_b = normal_values(k, 6), residual = normal_values(2 * n, 7);
  for (const Isa isa : machine_isas()) {
    const auto backend = backend_of(isa);
    const auto mw = backend->load_matrix(w.host()), mg = backend->load_matrix(g.host());
    for (const ops::NormKind kind : {ops::NormKind::none, ops::NormKind::rms, ops::NormKind::layer}) {
      std::vector<float> tanh_y(static_cast<size_t>(rows * n)), erf_y(tanh_y), gated(tanh_y);
      const ops::LinearOutput outs[3] = {
          {.w = mw.get(),
           .bias = bias.data(),
           .activation = ops::Activation::gelu_tanh,
           .residual = residual.data(),
           .residual_rows = 2,
           .y = tanh_y.data(),
           .ldy = n},
          {.w = mw.get(), .activation = ops::Activation::gelu_erf, .y = erf_y.data(), .ldy = n},
          {.w = mw.get(), .gate = mg.get(), .y = gated.data(), .ldy = n}};
      backend->linear({.x = x.data(),
                       .rows = rows,
                       .ldx = k,
                       .norm = {kind, norm_w.data(), kind == ops::NormKind::layer ? norm_b.data() : nullptr, 1e-6f},
                       .outputs = outs});
      for (int64_t r = 0; r < rows; r++) {
        const float* row = x.data() + r * k;
        double mean = 0, var = 0;
        for (int64_t i = 0; kind == ops::NormKind::layer && i < k; i++) mean += row[i] / static_cast<double>(k);
        for (int64_t i = 0; i < k; i++) var += (row[i] - mean) * (row[i] - mean) / static_cast<double>(k);
        for (int64_t j = 0; j < n; j++) {
          double a = 0, s = 0;
          for (int64_t i = 0; i < k; i++) {
            double h = row[i];
            const size_t at = static_cast<size_t>(i);
            if (kind != ops::NormKind::none)
              h = (h - mean) / std::sqrt(var + 1e-6) * norm_w[at] + (kind == ops::NormKind::layer ? norm_b[at] : 0.0f);
            a += h * w.values[static_cast<size_t>(j * k + i)];
            s += h * g.values[static_cast<size_t>(j * k + i)];
          }
          const size_t at = static_cast<size_t>(r * n + j);
          const double v = a + bias[static_cast<size_t>(j)];
          CHECK_NEAR(tanh_y[at],
                     0.5 * v * (1 + std::tanh(0.7978845608028654 * (v + 0.044715 * v * v * v))) +
                         residual[static_cast<size_t>(r % 2 * n + j)],
                     1e-5);
          CHECK_NEAR(erf_y[at], 0.5 * a * (1 + std::erf(a * 0.7071067811865476)), 1e-5);
          CHECK_NEAR(gated[at], s / (1 + std::exp(-s)) * a, 1e-4);
        }
      }
    }
  }
}

TEST("cpu: a residual may be the output itself, with padding between rows") {
  for (const Isa isa : machine_isas()) {
    const auto b = backend_of(isa);
    const Weights w(DType::f32, 20, 20, 8);
    const auto m = b->load_matrix(w.host());
    const auto x = normal_values(3 * 24, 9), before = normal_values(3 * 30, 10);
    std::vector<float> y = before;
    const ops::LinearOutput out{.w = m.get(), .residual = y.data(), .y = y.data(), .ldy = 30};
    b->linear({.x = x.data(), .rows = 3, .ldx = 24, .norm = {}, .outputs = {&out, 1}});
    for (int64_t r = 0; r < 3; r++) {
      for (int64_t j = 0; j < 30; j++) {
        const size_t at = static_cast<size_t>(r * 30 + j);
        double expected = before[at], unused;
        if (j < 20) {
          reference(w, x.data() + r * 24, Blocks::none, 0, expected, unused, j);
          expected += before[at];
        }
        CHECK_NEAR(y[at], expected, j < 20 ? 1e-5 : 0);
      }
    }
  }
}
