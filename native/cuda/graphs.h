// Recorded passes by key, the ones used last, within memory that a plan counts.
#pragma once
#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "cuda/queue.h"
#include "cuda/verbs/table.h"
#include "ops/backend.h"

namespace owl3::cuda {

/// All that the arguments of a pass's kernels depend on, but for addresses that end all recordings when they change.
struct GraphKey {
  ops::PassKey pass;
  uint64_t store = 0;  ///< the number of the KvStore
  PassExtent extent;   ///< widened()
  bool operator==(const GraphKey&) const = default;
};

class Graphs {
 public:
  explicit Graphs(Queue& queue) : queue_(queue) {}
  ~Graphs() { clear(); }
  Graphs(const Graphs&) = delete;
  Graphs& operator=(const Graphs&) = delete;

  /// Device memory that recordings of passes of so many layers take at most, in bytes.
  static size_t bytes(int32_t layers);
  /// Keeps as many recordings from here on as that memory holds, for the largest number of layers that was given; those
  /// used longest ago go first.
  void reserve(int32_t layers);
  /// Device memory that recordings have now, in bytes; any thread may ask.
  size_t held_bytes() const;

  /// Enqueues what was recorded under `key`; the first time it is recorded from `body`.
  void run(const GraphKey& key, const std::function<void()>& body);
  /// Drops all, since an address in them is going away.
  void clear();
  /// Drops those whose activations lie in this buffer.
  void forget(const void* scratch);
  /// Drops those of a store.
  void forget_store(uint64_t store);

 private:
  struct Recording {
    GraphKey key;
    driver::GraphExec exec;
    int64_t kernels;
  };
  using Place = std::list<Recording>::iterator;
  void make_room(int64_t kernels);
  void drop_if(const std::function<bool(const GraphKey&)>& drops);
  Place drop(Place at);

  Queue& queue_;
  std::mutex mutex_;
  std::list<Recording> recordings_;  // the one used last is the first
  int64_t room_ = 0, kept_ = 0;      // kernels that there is memory for, and those of all recordings
  /// And with those of recordings that are dropped and not destroyed. The queue, which counts it down, outlives this.
  std::shared_ptr<std::atomic<int64_t>> held_ = std::make_shared<std::atomic<int64_t>>(0);
};

}  // namespace owl3::cuda
