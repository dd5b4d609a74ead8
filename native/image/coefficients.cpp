#include "image/coefficients.h"

#include <cmath>

namespace owl3::image {
namespace {

/// Keys' cubic convolution kernel with a = -0.5. The order of operations is Pillow's, so that every double rounds alike.
double cubic(double x) {
  constexpr double kA = -0.5;
  if (x < 0.0) x = -x;
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0.0;
}

int32_t fixed_point(double k) {
  constexpr double one_value = 1 << precision_bits;
  return static_cast<int32_t>(k < 0 ? -0.5 + k * one_value : 0.5 + k * one_value);
}

}  // namespace

Coefficients bicubic(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = scale < 1.0 ? 1.0 : scale;
  const double support = 2.0 * filter_scale;
  const double inverse = 1.0 / filter_scale;
  const int max_count = static_cast<int>(std::ceil(support)) * 2 + 1;
  Coefficients c;
  c.stride = max_count < in ? max_count : in;
  c.first.resize(out);
  c.count.resize(out);
  c.weight.assign(static_cast<size_t>(out) * c.stride, 0);
  std::vector<double> k(c.stride);
  for (int o = 0; o < out; o++) {
    const double center = (o + 0.5) * scale;
    int begin = static_cast<int>(center - support + 0.5);
    int end = static_cast<int>(center + support + 0.5);
    if (begin < 0) begin = 0;
    if (end > in) end = in;
    const int n = end - begin;
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
      k[i] = cubic((i + begin - center + 0.5) * inverse);
      sum += k[i];
    }
    c.first[o] = begin;
    c.count[o] = n;
    int32_t* row = c.weight.data() + static_cast<int64_t>(o) * c.stride;
    for (int i = 0; i < n; i++) row[i] = fixed_point(sum != 0.0 ? k[i] / sum : k[i]);
  }
  return c;
}

}  // namespace owl3::image
