#include "cuda/graphs.h"

#include <algorithm>

namespace owl3::cuda {
namespace {

constexpr size_t max_recordings = 64;

}  // namespace

void Graphs::run(const GraphKey& key, const std::function<void()>& body) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(recordings_, key, &Recording::key);
  if (found != recordings_.end()) {
    recordings_.splice(recordings_.begin(), recordings_, found);
  } else {
    const driver::GraphExec exec = queue_.record(body);
    recordings_.push_front({key, exec});
    if (recordings_.size() > max_recordings) {
      destroy(recordings_.back().exec);
      recordings_.pop_back();
    }
  }
  const Device& device = queue_.device();
  device.check(device.use().graph_launch(recordings_.front().exec, queue_.stream()), "a recorded pass can't be run");
}

/// A recording that is running may not be destroyed.
void Graphs::destroy(driver::GraphExec exec) {
  queue_.later([&device = queue_.device(), exec](bool) { device.use_anyway().graph_exec_destroy(exec); });
}

void Graphs::drop_if(const std::function<bool(const GraphKey&)>& drop) {
  const std::lock_guard lock(mutex_);
  for (auto at = recordings_.begin(); at != recordings_.end();) {
    if (drop(at->key)) {
      destroy(at->exec);
      at = recordings_.erase(at);
    } else {
      ++at;
    }
  }
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
