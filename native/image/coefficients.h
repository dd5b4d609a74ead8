// The weights of one axis of a resize, computed as Pillow computes them (fixed point, 22 bits).
#pragma once
#include <cstdint>
#include <vector>

namespace owl3::image {

inline constexpr int precision_bits = 22;  ///< fraction bits of a weight

struct Coefficients {
  int stride = 0;               ///< weights kept per output position
  std::vector<int32_t> first;   ///< [out] first input position
  std::vector<int32_t> count;   ///< [out] number of input positions from there
  std::vector<int32_t> weight;  ///< [out, stride]
  const int32_t* of(int out) const { return weight.data() + static_cast<int64_t>(out) * stride; }
};

/// The weights that resize an axis of `in` positions to `out` positions. in, out >= 1.
Coefficients bicubic(int in, int out);

}  // namespace owl3::image
