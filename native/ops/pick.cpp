#include "ops/pick.h"

#include <algorithm>
#include <cmath>

#include "ops/exp.h"

namespace owl3::ops {
namespace {

/// Values of a row that one thread looks at in a go. Sums are of short runs, which are added up in double.
constexpr size_t piece_values = 4096;
constexpr size_t lane_count = 16;
/// More candidates than this are found by a partial sort of the whole row.
constexpr size_t max_insertions = 64;

struct Piece {
  float max = -INFINITY;
  bool has_nan = false;
  std::vector<int32_t> best;    ///< the piece's largest, with ids of the row
  float sums[lane_count] = {};  ///< exp(value - max of the row), each added up over groups of sixteen
};

/// Keeps the k > 0 best of those so far and of id_of(0), ... id_of(n - 1), each behind those that are not smaller.
template <class IdOf>
void keep_largest(std::span<const float> row, size_t n, IdOf id_of, size_t k, std::vector<int32_t>& best) {
  const auto value = [&](int32_t id) { return row[static_cast<size_t>(id)]; };
  best.reserve(k + 1);
  for (size_t i = 0; i < n; i++) {
    const int32_t id = id_of(i);
    if (best.size() == k && !(value(id) > value(best.back()))) continue;
    auto at = best.end();
    while (at != best.begin() && value(id) > value(*(at - 1))) --at;
    best.insert(at, id);
    if (best.size() > k) best.pop_back();
  }
}
/// Keeps the k > 0 best of those so far and of the ids [begin, end).
void keep_largest_of(std::span<const float> row, size_t begin, size_t end, size_t k, std::vector<int32_t>& best) {
  keep_largest(
      row, end - begin, [begin](size_t i) { return static_cast<int32_t>(begin + i); }, k, best);
}

/// Looks at row[begin, end) for its largest values. Sixteen at a time, so that the compiler vectorises it.
void find_largest(std::span<const float> row, size_t begin, size_t end, size_t k, Piece& p) {
  float lane_max[lane_count];
  int32_t nan[lane_count] = {};
  std::fill(lane_max, lane_max + lane_count, -INFINITY);
  size_t i = begin;
  for (; i + lane_count <= end; i += lane_count)
    for (size_t l = 0; l < lane_count; l++) {
      lane_max[l] = lane_max[l] < row[i + l] ? row[i + l] : lane_max[l];
      nan[l] |= row[i + l] != row[i + l];
    }
  p.max = *std::max_element(lane_max, lane_max + lane_count);
  p.has_nan = std::count(nan, nan + lane_count, 0) != lane_count;
  for (; i < end; i++) {
    p.max = std::max(p.max, row[i]);
    p.has_nan = p.has_nan || row[i] != row[i];
  }
  if (k > 0) keep_largest_of(row, begin, end, k, p.best);
}

/// The sums of whole groups of sixteen of row[begin, end).
void sum_exponentials(std::span<const float> row, size_t begin, size_t end, float max, Piece& p) {
  for (size_t i = begin; i + lane_count <= end; i += lane_count)
    for (size_t l = 0; l < lane_count; l++) p.sums[l] += exp_nonpositive(row[i + l] - max);
}

}  // namespace

std::vector<int32_t> top_k(std::span<const float> row, size_t k) {
  std::vector<int32_t> best;
  k = std::min(k, row.size());
  if (k == 0) return best;
  if (k > max_insertions) {
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
  keep_largest_of(row, 0, row.size(), k, best);
  return best;
}

Picked pick_row(std::span<const float> row, int32_t k, RunPieces run) {
  const size_t wanted = std::min(k > 0 ? static_cast<size_t>(k) : 0, row.size());
  const bool few = wanted <= max_insertions;
  std::vector<Piece> pieces((row.size() + piece_values - 1) / piece_values);
  const auto each = [&](auto work) {
    run(static_cast<int64_t>(pieces.size()), [&](int64_t i) {
      const size_t begin = static_cast<size_t>(i) * piece_values;
      work(begin, std::min(row.size(), begin + piece_values), pieces[static_cast<size_t>(i)]);
    });
  };
  each([&](size_t begin, size_t end, Piece& p) { find_largest(row, begin, end, few ? wanted : 0, p); });
  Picked picked{.ids = few ? std::vector<int32_t>{} : top_k(row, wanted), .logits = {}, .log_sum_exp = NAN};
  float max = -INFINITY;
  bool has_nan = false;
  for (const Piece& p : pieces) {
    max = std::max(max, p.max);
    has_nan = has_nan || p.has_nan;
    keep_largest(
        row, p.best.size(), [&](size_t i) { return p.best[i]; }, wanted, picked.ids);
  }
  for (const int32_t id : picked.ids) picked.logits.push_back(row[static_cast<size_t>(id)]);
  if (has_nan || !std::isfinite(max)) return picked;
  each([&](size_t begin, size_t end, Piece& p) { sum_exponentials(row, begin, end, max, p); });
  double total = 0;
  for (const Piece& p : pieces)
    for (const float sum : p.sums) total += static_cast<double>(sum);
  for (size_t i = row.size() / lane_count * lane_count; i < row.size(); i++)
    total += static_cast<double>(exp_nonpositive(row[i] - max));
  picked.log_sum_exp = static_cast<double>(max) + std::log(total);
  return picked;
}

Picked pick_row(std::span<const float> row, int32_t k) {
  return pick_row(row, k, [](int64_t n, FunctionRef<void(int64_t)> piece) {
    for (int64_t i = 0; i < n; i++) piece(i);
  });
}

}  // namespace owl3::ops
