// The inner loops of the resize. All sums are integers, so every instruction set gives the same bytes.
#pragma once
#include <cstdint>

#include "base/isa.h"

namespace owl3::image {

struct Kernels {
  /// The horizontal pass handles this many source rows at once: each is a lane of a vector.
  static constexpr int lane_count = 16;

  /// Transposes n <= lane_count rows of `bytes` bytes, `stride` apart, to to[bytes][lane_count]; lanes from n on are undefined.
  void (*transpose)(const uint8_t* rows, int64_t stride, int n, int64_t bytes, uint8_t* to);
  /// Computes one output column: to[lane * stride + channel] from from[count][3][lane_count], for the first n lanes.
  void (*column)(const uint8_t* from, const int32_t* weight, int count, int n, int64_t stride, uint8_t* to);
  /// sums[i] += weight * row[i]
  void (*accumulate)(int32_t* sums, const uint8_t* row, int32_t weight, int64_t n);
  /// out[i] = sums[i] >> 22, clipped to 0..255
  void (*finish)(const int32_t* sums, int64_t n, uint8_t* out);
};

/// The kernels for a machine with `isa`. Those of Isa::scalar are the twin that tests compare the others with. Errors:
/// those of choose_isa().
const Kernels& kernels(Isa isa = default_isa());

}  // namespace owl3::image
