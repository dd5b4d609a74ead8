#include "model/key_shift.h"

#include <cmath>
#include <numbers>

namespace owl3::model {

std::vector<float> key_shift(const Config& c, std::span<const float> bias, std::span<const float> other) {
  std::vector<float> shift(bias.size());
  const size_t head_dim = static_cast<size_t>(c.head_dim), half = head_dim / 2;
  for (size_t i = 0; i < half; i++) {
    const double turn = c.context_length * std::pow(double{c.rope_theta}, -2.0 * double(i) / double(head_dim));
    if (turn > std::numbers::pi / 3) continue;
    for (size_t d = i; d < shift.size(); d += half) shift[d] = other.empty() ? bias[d] : (bias[d] + other[d]) / 2;
  }
  return shift;
}

std::vector<float> visual_key_bias(const Config& c, std::span<const float> bias) {
  std::vector<float> keys;
  const size_t head_dim = static_cast<size_t>(c.head_dim);
  for (size_t head = 0; head < bias.size(); head += 2 * head_dim)
    keys.insert(keys.end(), bias.begin() + static_cast<ptrdiff_t>(head),
                bias.begin() + static_cast<ptrdiff_t>(head + head_dim));
  return keys;
}

}  // namespace owl3::model
