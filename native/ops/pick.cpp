#include "ops/pick.h"

#include <algorithm>
#include <cmath>

#include "ops/exp.h"

namespace owl3::ops {

/// Sixteen partial sums, so that the loops vectorise with a fixed order of additions.
double log_sum_exp(std::span<const float> row) {
  constexpr size_t lane_count = 16;
  float lane_max[lane_count];
  int32_t nan[lane_count] = {};
  std::fill(lane_max, lane_max + lane_count, -INFINITY);
  const size_t whole = row.size() / lane_count * lane_count;
  for (size_t i = 0; i < whole; i += lane_count)
    for (size_t l = 0; l < lane_count; l++) {
      lane_max[l] = lane_max[l] < row[i + l] ? row[i + l] : lane_max[l];
      nan[l] |= row[i + l] != row[i + l];
    }
  float max = *std::max_element(lane_max, lane_max + lane_count);
  bool finite = std::count(nan, nan + lane_count, 0) == lane_count;
  for (size_t i = whole; i < row.size(); i++) {
    max = std::max(max, row[i]);
    finite = finite && row[i] == row[i];
  }
  if (!finite || !std::isfinite(max)) return NAN;
  double total = 0;
  float sums[lane_count] = {};
  for (size_t i = 0; i < whole;) {
    const size_t end = std::min(whole, i + 4096);  // short float sums, added up in double
    for (; i < end; i += lane_count)
      for (size_t l = 0; l < lane_count; l++) sums[l] += exp_nonpositive(row[i + l] - max);
    for (float& s : sums) {
      total += static_cast<double>(s);
      s = 0;
    }
  }
  for (size_t i = whole; i < row.size(); i++) total += static_cast<double>(exp_nonpositive(row[i] - max));
  return static_cast<double>(max) + std::log(total);
}

/// Few are found in one pass that keeps the best so far; many by a partial sort.
std::vector<int32_t> top_k(std::span<const float> row, size_t k) {
  std::vector<int32_t> best;
  k = std::min(k, row.size());
  if (k == 0) return best;
  if (k > 64) {
    best.resize(row.size());
    for (size_t i = 0; i < best.size(); i++) best[i] = static_cast<int32_t>(i);
    const auto before = [&](int32_t a, int32_t b) {
      const float x = row[static_cast<size_t>(a)], y = row[static_cast<size_t>(b)];
      return x > y || (x == y && a < b);
    };
    std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(k), best.end(), before);
    best.resize(k);
    return best;
  }
  best.reserve(k + 1);
  for (size_t i = 0; i < row.size(); i++) {
    if (best.size() == k && !(row[i] > row[static_cast<size_t>(best.back())])) continue;
    auto at = best.end();
    while (at != best.begin() && row[i] > row[static_cast<size_t>(*(at - 1))]) --at;
    best.insert(at, static_cast<int32_t>(i));
    if (best.size() > k) best.pop_back();
  }
  return best;
}

Picked pick_row(std::span<const float> row, int32_t k) {
  Picked picked;
  picked.log_sum_exp = log_sum_exp(row);
  picked.ids = top_k(row, k > 0 ? static_cast<size_t>(k) : 0);
  for (const int32_t id : picked.ids) picked.logits.push_back(row[static_cast<size_t>(id)]);
  return picked;
}

}  // namespace owl3::ops
