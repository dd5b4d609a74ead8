#include "cpu/rope/rope.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/math.h"
#include "base/thread_pool.h"

namespace owl3::cpu::rope {
namespace {

/// Mathematical functions of float differ in their last bit from one C library to the next; those of double, rounded to
/// float, do not, so that every build for a kind of machine computes the same bits.
float rounded(double x) {
  return static_cast<float>(x);
}

}  // namespace

void Angles::prepare(std::span<const KvSlot> slots, float theta, int32_t head_dim) {
  const size_t half = static_cast<size_t>(head_dim) / 2;
  const bool same_frequencies = theta == theta_ && head_dim == head_dim_;
  if (same_frequencies && std::ranges::equal(slots, positions_, {}, &KvSlot::position)) return;
  if (!same_frequencies) {
    inverse_.resize(half);
    for (size_t i = 0; i < half; ++i) {
      const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
      inverse_[i] = 1.0f / rounded(std::pow(double{theta}, double{exponent}));
    }
    theta_ = theta;
    head_dim_ = head_dim;
  }
  positions_.clear();
  index_.clear();
  table_.clear();
  for (const KvSlot& slot : slots) {
    if (positions_.empty() || positions_.back() != slot.position) {  // all keys of a crop stand at one position
      const size_t at = table_.size();
      table_.resize(at + 2 * half);
      for (size_t i = 0; i < half; ++i) {
        const double angle = static_cast<float>(slot.position) * inverse_[i];
        table_[at + i] = rounded(std::cos(angle));
        table_[at + half + i] = rounded(std::sin(angle));
      }
    }
    positions_.push_back(slot.position);
    index_.push_back(table_.size() / (2 * half) - 1);
  }
}

void run(const Kernels& k, const RopeRows& p, Angles& angles, ThreadPool& pool) {
  if (p.head_dim % 2 != 0 || p.head_dim > attention::max_head_dim) {
    throw Error(ErrorCode::unsupported, "rotary positions need an even head size of at most 512");
  }
  angles.prepare(p.slots, p.rope_theta, p.head_dim);
  const int64_t rows = static_cast<int64_t>(p.slots.size());
  constexpr int64_t task_rows = 8;
  auto work = [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      k.row(p, r, p.slots[static_cast<size_t>(r)], angles.row(static_cast<size_t>(r)));
    }
  };
  if (rows <= task_rows) return work(0, rows);  // sooner done than shared out
  pool.parallel_for(divide_up(rows, task_rows),
                    [&](int64_t task, int) { work(task * task_rows, std::min(rows, (task + 1) * task_rows)); });
}

}  // namespace owl3::cpu::rope
