// Launches on the simulation, and what the tests of verbs share: memory, weights on the "device", keys and values.
#pragma once
#include <cstring>
#include <memory>
#include <vector>

#include "cuda/simt/host.h"
#include "cuda/verbs/linear.h"
#include "cuda/verbs/table.h"
#include "support/naive_backend.h"
#include "support/weights.h"

namespace owl3::test {

class Simulation final : public cuda::Launcher {
 public:
  void launch(const cuda::Launch& l) override {
    launches++;
    cuda::simt::run(l, options);
  }
  int multiprocessors() const override { return processors; }

  cuda::simt::Options options = {};
  int processors = 16;
  int launches = 0;
};

/// Schedules that differ the most, each with copies at once or as late as may be.
inline std::vector<cuda::simt::Options> schedules() {
  using cuda::simt::Schedule;
  return {{.schedule = Schedule::ascending, .eager_copies = true},
          {.schedule = Schedule::descending},
          {.schedule = Schedule::last_warp, .eager_copies = true},
          {.schedule = Schedule::random, .seed = 7}};
}

/// Memory that begins with nonsense.
struct Memory {
  explicit Memory(size_t bytes) : at(std::aligned_alloc(256, (bytes + 511) / 256 * 256), std::free) {
    std::memset(at.get(), 0xff, bytes);
  }
  template <class T = void>
  T* as() const {
    return static_cast<T*>(at.get());
  }
  std::shared_ptr<void> at;
};

/// A weight repacked by the simulation, in runs of `run` strips.
struct DeviceWeights : cuda::DeviceMatrix {
  explicit DeviceWeights(const Weights& w, int64_t run = 1000)
      : cuda::DeviceMatrix(w.host()), memory(static_cast<size_t>(bytes)) {
    packed.data = memory.as<uint8_t>();
    Simulation simulation;
    const int64_t row = static_cast<int64_t>(gguf::row_bytes(w.type, w.k)), rows_a_run = run * cuda::repack_rows;
    for (int64_t r = 0; r < w.n; r += rows_a_run) {
      const int64_t some = std::min(rows_a_run, w.n - r);
      const std::vector<char> raw(w.bytes.begin() + r * row, w.bytes.begin() + (r + some) * row);  // no more of it
      cuda::repack(simulation, *this, raw.data(), r, some);
    }
  }
  Memory memory;
};

/// Runs linear() with scratch of the size that it asks for.
inline void run_linear(Simulation& simulation, const ops::LinearParams& p,
                       ops::Precision precision = ops::Precision::automatic) {
  cuda::Forms forms = 0;
  for (const ops::LinearOutput& out : p.outputs)
    for (const ops::Matrix* m : {out.w, out.gate})
      if (m != nullptr) forms |= forms_bit(form_of(static_cast<const cuda::DeviceMatrix&>(*m), precision));
  const Memory scratch(cuda::linear_scratch_bytes(forms, p.rows, p.outputs[0].w->cols));
  cuda::linear(simulation, p, precision, scratch.as());
}

}  // namespace owl3::test
