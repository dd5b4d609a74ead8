// Matrix products on the simulation against plain loops in double precision over the dequantised weights, within what
// rounding may do at most (cpu/gemm.test.cpp says how it is bounded).
#include "cuda/simulation.h"
#include "support/harness.h"

using namespace owl3;
using namespace owl3::test;

namespace {

bool quantised(DType type) {
  return gguf::quantised(type);
}
/// Inputs that are whole blocks of the format, and no whole stage of 256 columns where that can be.
int64_t odd_cols(DType type) {
  return gguf::format(type).block_size == 256 ? 512 : quantised(type) ? 352 : 75;
}
/// The share of the sum of magnitudes that a product of terms with 16 or 22 bits loses.
double lost(DType type, ops::Precision precision) {
  if (precision == ops::Precision::exact) return 0x1p-22;
  return type == DType::bf16 ? 0x1p-16 : type == DType::f16 ? 0x1p-21 : 0;
}

std::vector<float> product(Simulation& simulation, const DeviceWeights& m, const float* x, int64_t rows,
                           ops::Precision precision = ops::Precision::automatic) {
  std::vector<float> y(static_cast<size_t>(rows * m.rows), NAN);
  const ops::LinearOutput out{.w = &m, .y = y.data(), .ldy = m.rows};
  run_linear(simulation, {.x = x, .rows = rows, .ldx = m.cols, .norm = {}, .outputs = {&out, 1}}, precision);
  return y;
}

void check_product(const Weights& w, const float* x, int64_t rows, const std::vector<float>& y,
                   ops::Precision precision) {
  const bool int8 = quantised(w.type) && precision != ops::Precision::exact;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0; j < w.n; j++) {
      double sum = 0, size = 0, rounding = 0;
      for (int64_t b = 0; b < w.k; b += 32) {
        double largest = 0, weights = 0;
        for (int64_t i = b; i < std::min(w.k, b + 32); i++) {
          const double value = x[r * w.k + i], weight = w.values[static_cast<size_t>(j * w.k + i)];
          sum += value * weight;
          size += std::abs(value * weight);
          largest = std::max(largest, std::abs(value));
          weights += std::abs(weight);
        }
        rounding += largest / 213.5 * weights;
      }
      const double bound =
          (int8 ? rounding : 0) + size * (static_cast<double>(w.k + 4) * 0x1p-24 + lost(w.type, precision)) + 1e-30;
      CHECK_NEAR(y[static_cast<size_t>(r * w.n + j)], sum, bound);
    }
}

bool same(const float* a, const float* b, int64_t n) {
  return std::memcmp(a, b, static_cast<size_t>(n) * sizeof(float)) == 0;
}

/// Parts of x for a test of norm and epilogue, computed on the naive backend as well.
struct Fused {
  static constexpr int64_t n = 37, k = 75, rows = 21;
  Weights w{DType::f32, n, k, 1}, gate{DType::f32, n, k, 2};
  DeviceWeights dw{w}, dgate{gate};
  NaiveBackend naive;
  std::unique_ptr<ops::Matrix> nw = naive.load_matrix(w.host()), ngate = naive.load_matrix(gate.host());
  std::vector<float> x = normal_values(rows * 80, 3), norm_weight = normal_values(k, 4),
                     norm_bias = normal_values(k, 5), bias = normal_values(n, 6),
                     residual = normal_values(rows * 40, 7);

  /// y [rows, 40] of both; `in_place`: the residual is y.
  void check(ops::Norm norm, ops::LinearOutput out, bool gated, bool in_place) {
    std::vector<float> expected = residual, y = residual;
    const auto run = [&](std::vector<float>& to, const ops::Matrix* m, const ops::Matrix* g, auto linear) {
      out.w = m;
      out.gate = gated ? g : nullptr;
      out.y = to.data();
      out.ldy = 40;
      if (in_place) out.residual = to.data();
      linear(ops::LinearParams{.x = x.data(), .rows = rows, .ldx = 80, .norm = norm, .outputs = {&out, 1}});
    };
    Simulation simulation;
    run(expected, nw.get(), ngate.get(), [&](const ops::LinearParams& p) { naive.linear(p); });
    run(y, &dw, &dgate, [&](const ops::LinearParams& p) { run_linear(simulation, p); });
    for (size_t i = 0; i < y.size(); i++) CHECK_NEAR(y[i], expected[i], 2e-5 * (1 + std::abs(expected[i])));
  }
};

}  // namespace

TEST("cuda: products of every format within their rounding, odd sizes, few rows and many") {
  for (const DType type : all_types()) {
    const Weights w(type, 37, odd_cols(type), 1);
    const DeviceWeights m(w, 1);
    for (const ops::Precision precision : {ops::Precision::automatic, ops::Precision::exact})
      for (const int64_t rows : {1, 3, 8, 9, 32, 70}) {
        if (precision == ops::Precision::exact && rows > 9) continue;
        const auto x = normal_values(rows * w.k, static_cast<uint32_t>(rows));
        Simulation simulation;
        check_product(w, x.data(), rows, product(simulation, m, x.data(), rows, precision), precision);
      }
  }
}

TEST("cuda: products over long rows and many strips, by all segments of K") {
  for (const DType type : {DType::q8_0, DType::q4_k, DType::q6_k, DType::f16}) {
    const Weights w(type, 150, type == DType::f16 ? 1090 : 2560, 2);
    const DeviceWeights m(w, 3);
    for (const int64_t rows : {2, 17, 40}) {
      const auto x = normal_values(rows * w.k, 9);
      Simulation simulation;
      check_product(w, x.data(), rows, product(simulation, m, x.data(), rows), ops::Precision::automatic);
    }
  }
}

TEST("cuda: a row's products have the same bits alone and among others, whatever kernel computes them") {
  for (const DType type : all_types()) {
    for (const int64_t k : {odd_cols(type), quantised(type) ? int64_t{1280} : int64_t{640}}) {
      const Weights w(type, 40, k, 4);
      const DeviceWeights m(w);
      const int64_t rows = 69;
      const auto x = normal_values(rows * k, 5);
      Simulation simulation;
      const std::vector<float> all = product(simulation, m, x.data(), rows);
      for (const auto& [first, count] : {std::pair{0, 1}, {68, 1}, {3, 8}, {60, 9}, {5, 32}, {2, 65}}) {
        const std::vector<float> some = product(simulation, m, x.data() + first * k, count);
        CHECK(same(some.data(), all.data() + first * w.n, count * w.n));
      }
    }
  }
}

TEST("cuda: products have the same bits in every schedule") {
  for (const DType type : all_types()) {
    const Weights w(type, 33, odd_cols(type), 6);
    const DeviceWeights m(w);
    const auto x = normal_values(35 * w.k, 7);
    for (const int64_t rows : {2, 12, 35}) {
      Simulation simulation;
      const std::vector<float> expected = product(simulation, m, x.data(), rows);
      for (const cuda::simt::Options& options : schedules()) {
        simulation.options = options;
        CHECK(product(simulation, m, x.data(), rows) == expected);
      }
    }
  }
}

TEST("cuda: norms before a product, bias, activations, gate and residual after it") {
  Fused f;
  const ops::Norm rms{ops::NormKind::rms, f.norm_weight.data(), nullptr, 1e-6f},
      layer{ops::NormKind::layer, f.norm_weight.data(), f.norm_bias.data(), 1e-5f};
  for (const ops::Norm& norm : {ops::Norm{}, rms, layer}) f.check(norm, {}, false, false);
  for (const ops::Activation a : {ops::Activation::none, ops::Activation::gelu_tanh, ops::Activation::gelu_erf})
    f.check(rms, {.bias = f.bias.data(), .activation = a}, false, a == ops::Activation::none);
  f.check({}, {.bias = f.bias.data(), .residual = f.residual.data(), .residual_rows = 7}, false, false);
  f.check(layer, {}, true, false);
}

TEST("cuda: several outputs of different formats read the same rows") {
  const int64_t k = 256, rows = 10;
  const Weights a(DType::q4_k, 20, k, 1), b(DType::q6_k, 40, k, 2), c(DType::bf16, 5, k, 3);
  const DeviceWeights da(a), db(b), dc(c);
  const auto x = normal_values(rows * k, 4);
  std::vector<float> y(rows * 65, NAN);
  const ops::LinearOutput outputs[] = {{.w = &da, .y = y.data(), .ldy = 65},
                                       {.w = &db, .y = y.data() + 20, .ldy = 65},
                                       {.w = &dc, .y = y.data() + 60, .ldy = 65}};
  Simulation simulation;
  run_linear(simulation, {.x = x.data(), .rows = rows, .ldx = k, .norm = {}, .outputs = outputs});
  int64_t at = 0;
  for (const auto* w : {&a, &b, &c}) {
    const std::vector<float> alone = product(simulation, DeviceWeights(*w), x.data(), rows);
    for (int64_t r = 0; r < rows; r++) CHECK(same(y.data() + r * 65 + at, alone.data() + r * w->n, w->n));
    at += w->n;
  }
  const ops::LinearOutput wrong{.w = &da, .gate = &db, .y = y.data(), .ldy = 65};
  CHECK_THROWS(run_linear(simulation, {.x = x.data(), .rows = 1, .ldx = k, .norm = {}, .outputs = {&wrong, 1}}),
               ErrorCode::internal);
}

TEST("cuda: outputs of one format are one launch, with the bits that each has alone; a gate's product needs none") {
  const int64_t k = 512;
  for (const DType type : {DType::q4_k, DType::f16, DType::f32}) {
    const Weights q(type, 70, k, 1), key(type, 33, k, 2), value(type, 16, k, 3), other(DType::q8_0, 70, k, 5);
    const DeviceWeights dq(q), dkey(key), dvalue(value), dother(other);
    for (const int64_t rows : {1, 20, 40}) {
      const auto x = normal_values(rows * k, 4), bias = normal_values(70, 6);
      const auto run = [&](std::vector<ops::LinearOutput> outputs, std::vector<float>& y) {
        y.assign(static_cast<size_t>(rows * 130), NAN);
        int64_t at = 0;
        for (ops::LinearOutput& out : outputs) {
          out.y = y.data() + at;
          out.ldy = 130;
          at += out.w->rows;
        }
        Simulation simulation;
        run_linear(simulation, {.x = x.data(), .rows = rows, .ldx = k, .norm = {}, .outputs = outputs});
        return simulation.launches;
      };
      const ops::LinearOutput outputs[] = {{.w = &dq, .bias = bias.data()}, {.w = &dkey}, {.w = &dvalue}};
      std::vector<float> all, one;
      CHECK_EQ(run({outputs[0], outputs[1], outputs[2]}, all), 2);  // with the one that brings rows into their form
      int64_t at = 0;
      for (const ops::LinearOutput& out : outputs) {
        run({out}, one);
        for (int64_t r = 0; r < rows; r++) CHECK(same(one.data() + r * 130, all.data() + r * 130 + at, out.w->rows));
        at += out.w->rows;
      }
      // Gates of the same format and of another: silu(g) * u of products computed apart.
      std::vector<float> up, gated;
      run({{.w = &dq}}, up);
      for (const DeviceWeights* gate : {&dq, &dother}) {
        run({{.w = gate}}, one);
        const int apart = quantised(type) ? 3 : 4;  // rows in one form or two
        CHECK_EQ(run({{.w = &dq, .gate = gate}}, gated), (gate == &dq ? 2 : apart));
        for (int64_t r = 0; r < rows; r++)
          for (int64_t i = r * 130; i < r * 130 + 70; i++) {
            const auto n = static_cast<size_t>(i);
            const float silu = one[n] / (1 + std::exp(-one[n]));
            CHECK_NEAR(gated[n], silu * up[n], 1e-6 * (1 + std::abs(silu * up[n])));
          }
      }
    }
  }
}

TEST("cuda: outliers, zeros, tiny and huge activations, and a row that is not finite spoils itself alone") {
  for (const DType type : all_types()) {
    const Weights w(type, 20, odd_cols(type), 8);
    const DeviceWeights m(w);
    const int64_t rows = 9, k = w.k;
    auto x = normal_values(rows * k, 9);
    for (int64_t i = 0; i < k; i++) {
      x[static_cast<size_t>(k + i)] = 0;
      x[static_cast<size_t>(2 * k + i)] *= 1e-20f;
      x[static_cast<size_t>(3 * k + i)] *= 1e5f;
    }
    x[static_cast<size_t>(4 * k + 17)] = 3e4f;
    Simulation simulation;
    const std::vector<float> finite = product(simulation, m, x.data(), rows);
    check_product(w, x.data(), rows, finite, ops::Precision::automatic);
    for (int64_t j = 0; j < w.n; j++) CHECK_EQ(finite[static_cast<size_t>(w.n + j)], 0.f);
    x[static_cast<size_t>(5 * k + 3)] = NAN;
    x[static_cast<size_t>(6 * k + 40)] = INFINITY;
    const std::vector<float> spoilt = product(simulation, m, x.data(), rows);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t j = 0; j < w.n; j++) {
        const size_t at = static_cast<size_t>(r * w.n + j);
        CHECK(r == 5 || r == 6 ? !std::isfinite(spoilt[at]) : spoilt[at] == finite[at]);
      }
  }
}
