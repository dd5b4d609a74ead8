// linear() of every instruction set of this machine against plain loops in double precision.
#include <cmath>
#include <random>
#include <vector>

#include "harness.h"
#include "ops/backend.h"

using namespace owl3;

namespace {

std::vector<float> random_values(size_t n, uint32_t seed, float scale = 1) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> v(n);
  for (float& x : v) x = normal(rng);
  return v;
}

}  // namespace

TEST("cpu: linear with bias, gelu, residual, norm and gate in f32") {
  auto backend = make_cpu_backend({.threads = 2, .precision = Precision::exact});
  const int64_t k = 33, n = 21, rows = 5;
  const auto w = random_values(static_cast<size_t>(n * k), 1), g = random_values(static_cast<size_t>(n * k), 2),
             x = random_values(static_cast<size_t>(rows * k), 3), bias = random_values(static_cast<size_t>(n), 4),
             norm_w = random_values(static_cast<size_t>(k), 5), norm_b = random_values(static_cast<size_t>(k), 6),
             residual = random_values(static_cast<size_t>(2 * n), 7);
  const auto mw = backend->load_matrix({DType::f32, n, k, w.data()});
  const auto mg = backend->load_matrix({DType::f32, n, k, g.data()});
  std::vector<float> y(static_cast<size_t>(rows * n)), z(static_cast<size_t>(rows * n));
  LinearOutput outs[2];
  outs[0] = {.w = mw.get(), .bias = bias.data(), .activation = Activation::gelu_tanh, .residual = residual.data(),
             .residual_rows = 2, .y = y.data(), .ldy = n};
  outs[1] = {.w = mw.get(), .gate = mg.get(), .y = z.data(), .ldy = n};
  backend->linear({.x = x.data(), .rows = rows, .ldx = k,
                   .norm = {NormKind::layer, norm_w.data(), norm_b.data(), 1e-6f}, .outputs = outs});
  for (int64_t r = 0; r < rows; r++) {
    double mean = 0, var = 0;
    for (int64_t i = 0; i < k; i++) mean += x[static_cast<size_t>(r * k + i)] / static_cast<double>(k);
    for (int64_t i = 0; i < k; i++) var += std::pow(x[static_cast<size_t>(r * k + i)] - mean, 2) / static_cast<double>(k);
    for (int64_t j = 0; j < n; j++) {
      double a = 0, s = 0;
      for (int64_t i = 0; i < k; i++) {
        const double h = (x[static_cast<size_t>(r * k + i)] - mean) / std::sqrt(var + 1e-6) * norm_w[static_cast<size_t>(i)] +
                         norm_b[static_cast<size_t>(i)];
        a += h * w[static_cast<size_t>(j * k + i)];
        s += h * g[static_cast<size_t>(j * k + i)];
      }
      const double b = a + bias[static_cast<size_t>(j)];
      const double gelu = 0.5 * b * (1 + std::tanh(std::sqrt(2 / M_PI) * (b + 0.044715 * b * b * b)));
      CHECK_NEAR(y[static_cast<size_t>(r * n + j)], gelu + residual[static_cast<size_t>(r % 2 * n + j)], 1e-4);
      CHECK_NEAR(z[static_cast<size_t>(r * n + j)], s / (1 + std::exp(-s)) * a, 1e-3);
    }
  }
}
