// RoPE and the write of keys and values as row tasks, and the angles they share.
#pragma once
#include <cstdint>
#include <vector>

#include "cpu/attention/attention.h"
#include "ops/backend.h"

namespace owl3 {
class ThreadPool;
}

namespace owl3::cpu::rope {

/// Cosines and sines of a step's positions. All layers of a step ask for the same ones, so the last set is kept.
class Angles {
 public:
  /// Angles as the reference has them: float32 position * float32 inverse frequency, then cos and sin in float32.
  void prepare(std::span<const KvSlot> slots, float theta, int32_t head_dim);
  /// [head_dim]: cosines of head_dim/2 angles, then their sines.
  const float* row(size_t i) const { return table_.data() + index_[i] * static_cast<size_t>(head_dim_); }

 private:
  float theta_ = 0;
  int32_t head_dim_ = 0;
  std::vector<float> inverse_;      // [head_dim / 2]
  std::vector<int32_t> positions_;  // a row
  std::vector<size_t> index_;       // a row: its entry of the table
  std::vector<float> table_;        // [distinct runs of positions, head_dim]
};

struct Kernels {
  /// One row: rotates p.q in place, rotates its keys and stores keys and values.
  void (*row)(const RopeRows& p, int64_t row, const KvSlot& slot, const float* angles);
};

/// Runs the verb of backend.h on the pool.
void run(const Kernels& k, const RopeRows& p, Angles& angles, ThreadPool& pool);

}  // namespace owl3::cpu::rope
