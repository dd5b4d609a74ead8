// Recorded passes by key, the ones used last.
#pragma once
#include <functional>
#include <list>
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
  };
  void drop_if(const std::function<bool(const GraphKey&)>& drop);
  void destroy(driver::GraphExec exec);

  Queue& queue_;
  std::mutex mutex_;
  std::list<Recording> recordings_;  // the one used last is the first
};

}  // namespace owl3::cuda
