#include "cpu/norm.h"

#include <cmath>
#include <cstring>

namespace owl3::cpu {

void norm_row(const Norm& norm, const float* x, float* y, int64_t k) {
  if (norm.kind == NormKind::none) {
    std::memmove(y, x, static_cast<size_t>(k) * sizeof(float));
    return;
  }
  double mean = 0;
  if (norm.kind == NormKind::layer) {
    for (int64_t i = 0; i < k; i++) mean += x[i];
    mean /= static_cast<double>(k);
  }
  double squares = 0;
  for (int64_t i = 0; i < k; i++) squares += (x[i] - mean) * (x[i] - mean);
  const float shift = static_cast<float>(mean);
  const float scale = static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(k) + norm.eps));
  for (int64_t i = 0; i < k; i++) {
    y[i] = (x[i] - shift) * scale * norm.weight[i] + (norm.bias ? norm.bias[i] : 0.0f);
  }
}

}  // namespace owl3::cpu
