// Memory for activations as int8 blocks, for tests of kernels alone.
#pragma once
#include <vector>

#include "cpu/gemm/kernels.h"

namespace owl3::test {

struct Int8Memory {
  std::vector<int8_t> q, residual_q;
  std::vector<float> scale, negsum;
  std::vector<int32_t> sum, residual_sum, count, ordered, starts;
  std::vector<uint32_t> found, order;
  cpu::gemm::Int8Rows rows;

  /// `n` rows of `k` columns, a multiple of 256.
  Int8Memory(int64_t n, int64_t k) {
    const auto sized = [](auto& v, int64_t size) { return v.resize(static_cast<size_t>(size)), v.data(); };
    rows = {.q = sized(q, n * k),
            .scale = sized(scale, n * k / 32),
            .negsum = sized(negsum, n * k / 32),
            .sum = sized(sum, n * k / 16),
            .padded = k,
            .residuals = {.everywhere = false,
                          .q = sized(residual_q, n * k),
                          .sum = sized(residual_sum, n * k / 32),
                          .found = sized(found, n * k / 32),
                          .count = sized(count, n),
                          .order = sized(order, n * k / 32),
                          .ordered = sized(ordered, n),
                          .starts = sized(starts, k / 32)}};
  }
};

}  // namespace owl3::test
