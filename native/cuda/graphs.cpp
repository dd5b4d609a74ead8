#include "cuda/graphs.h"

#include <algorithm>

#include "cuda/memory.h"

namespace owl3::cuda {
namespace {

/// Kernels of recordings that are kept for each layer: eight passes of about twelve launches, which serve the steps of an
/// answer as its keys grow, and those of several answers together.
constexpr int64_t kernels_a_layer = 96;

/// Device memory of a kernel in a graph that is made ready, at most. NVIDIA documents no size. Measured with driver 470,
/// graphs of 500, 1000 and 2000 kernels took 64.5 to 67.6 KiB a kernel, which NVIDIA's staff calls expected
/// (https://forums.developer.nvidia.com/t/increasing-memory-footprint-with-large-task-graphs/244901).
constexpr size_t kernel_bytes = size_t{68} << 10;

}  // namespace

size_t Graphs::bytes(int32_t layers) {
  return Heap::rounded(static_cast<size_t>(kernels_a_layer * layers) * kernel_bytes);
}

void Graphs::reserve(int32_t layers) {
  const std::lock_guard lock(mutex_);
  room_ = std::max(room_, kernels_a_layer * layers);
}

size_t Graphs::held_bytes() const {
  return static_cast<size_t>(*held_) * kernel_bytes;
}

void Graphs::run(const GraphKey& key, const std::function<void()>& body) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(recordings_, key, &Recording::key);
  if (found != recordings_.end()) {
    recordings_.splice(recordings_.begin(), recordings_, found);
  } else {
    int64_t kernels = 0;
    const driver::GraphExec exec = queue_.record(body, [&](int64_t n) { make_room(kernels = n); });
    recordings_.push_front({key, exec, kernels});
    kept_ += kernels;
    *held_ += kernels;
  }
  const Device& device = queue_.device();
  device.check(device.use().graph_launch(recordings_.front().exec, queue_.stream()), "a recorded pass can't be run");
}

void Graphs::make_room(int64_t kernels) {
  while (!recordings_.empty() && kept_ + kernels > room_) drop(std::prev(recordings_.end()));
  if (*held_ > kept_ && *held_ + kernels > room_) queue_.drain();
}

/// A recording that is running may not be destroyed.
Graphs::Place Graphs::drop(Place at) {
  kept_ -= at->kernels;
  queue_.later([&device = queue_.device(), exec = at->exec, kernels = at->kernels, held = held_](bool) {
    device.use_anyway().graph_exec_destroy(exec);
    *held -= kernels;
  });
  return recordings_.erase(at);
}

void Graphs::drop_if(const std::function<bool(const GraphKey&)>& drops) {
  const std::lock_guard lock(mutex_);
  for (auto at = recordings_.begin(); at != recordings_.end();) at = drops(at->key) ? drop(at) : std::next(at);
}

void Graphs::clear() {
  drop_if([](const GraphKey&) { return true; });
}
void Graphs::forget(const void* scratch) {
  drop_if([&](const GraphKey& key) { return key.pass.scratch == scratch; });
}
void Graphs::forget_store(uint64_t store) {
  drop_if([&](const GraphKey& key) { return key.store == store; });
}

}  // namespace owl3::cuda
