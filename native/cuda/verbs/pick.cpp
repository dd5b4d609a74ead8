#include "cuda/verbs/pick.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/math.h"
#include "cuda/kernels/shapes.h"
#include "cuda/verbs/launch.h"

namespace owl3::cuda {
namespace {

int64_t chunks_of(int64_t n) {
  return std::max<int64_t>(1, divide_up(n, pick_chunk));
}

/// Where results and candidates lie. Candidates are written to two places in turn.
struct Places {
  size_t ids, values, log_sum_exp, results_end, sums, candidates[2], end;
  int64_t room;  // candidates in each place
};

Places places(int64_t rows, int64_t n, int32_t k) {
  size_t at = 0;
  const auto take = [&](int64_t bytes) {
    const size_t first = at;
    at += static_cast<size_t>(round_up(bytes, 16));
    return first;
  };
  Places p;
  p.log_sum_exp = take(rows * 8);
  p.ids = take(rows * k * 4);
  p.values = take(rows * k * 4);
  p.results_end = at;
  p.sums = take(rows * chunks_of(n) * 8);
  p.room = rows * chunks_of(n) * k;
  for (size_t& candidates : p.candidates) candidates = take(p.room * 8);
  p.end = at;
  return p;
}

int32_t cut(int64_t n, int32_t k) {
  return static_cast<int32_t>(std::clamp<int64_t>(k, 0, n));
}

}  // namespace

size_t pick_bytes(int64_t rows, int64_t n, int32_t k) {
  return places(rows, n, cut(n, k)).end;
}
size_t picked_bytes(int64_t rows, int64_t n, int32_t k) {
  return places(rows, n, cut(n, k)).results_end;
}

void pick(Launcher& launcher, const float* logits, int64_t rows, int64_t n, int32_t k, void* memory, int32_t* first) {
  k = cut(n, k);
  if (k > max_pick) throw Error(ErrorCode::internal, "pick: more than " + std::to_string(max_pick));
  const Places at = places(rows, n, k);
  char* base = static_cast<char*>(memory);
  PickParams p{.logits = logits,
               .from_ids = nullptr,
               .from_values = nullptr,
               .count = static_cast<int32_t>(n),
               .k = k,
               .ids = nullptr,
               .values = nullptr,
               .sums = reinterpret_cast<float*>(base + at.sums),
               .first = nullptr};
  for (int turn = 0;; turn++) {
    const int64_t chunks = chunks_of(p.count);
    const bool last = chunks == 1 || k == 0;
    char* candidates = base + at.candidates[turn % 2];
    p.ids = reinterpret_cast<int32_t*>(last ? base + at.ids : candidates);
    p.values = reinterpret_cast<float*>(last ? base + at.values : candidates + 4 * at.room);
    p.first = last ? first : nullptr;
    launch(launcher, "pick_chunks", {static_cast<uint32_t>(chunks), static_cast<uint32_t>(rows)}, pick_threads, p,
           pick_chunk * sizeof(uint64_t));
    if (last) break;
    p.from_ids = p.ids;
    p.from_values = p.values;
    p.count = static_cast<int32_t>(chunks * k);
    p.logits = nullptr;
    p.sums = nullptr;
  }
  launch(launcher, "pick_sum", {static_cast<uint32_t>(rows)}, 32,
         PickSumParams{.sums = reinterpret_cast<float*>(base + at.sums),
                       .chunks = static_cast<int32_t>(chunks_of(n)),
                       .log_sum_exp = reinterpret_cast<double*>(base + at.log_sum_exp)});
}

void read_picked(const void* host, int64_t n, int32_t k, std::span<ops::Picked> picked) {
  k = cut(n, k);
  const Places at = places(static_cast<int64_t>(picked.size()), n, k);
  const char* base = static_cast<const char*>(host);
  const auto size = static_cast<size_t>(k);
  for (size_t row = 0; row < picked.size(); row++) {
    ops::Picked& p = picked[row];
    p.ids.resize(size);
    p.logits.resize(size);
    std::memcpy(&p.log_sum_exp, base + at.log_sum_exp + row * 8, 8);
    if (k == 0) continue;
    std::memcpy(p.ids.data(), base + at.ids + row * size * 4, size * 4);
    std::memcpy(p.logits.data(), base + at.values + row * size * 4, size * 4);
  }
}

}  // namespace owl3::cuda
