// Memory that operations borrow while they run: one buffer for the call and one for each worker. Buffers only grow, so that a
// step allocates nothing once the largest sizes have been seen (or reserved).
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

namespace owl3::cpu {

/// 64-byte aligned, uninitialised; Error{out_of_memory}. Large ones ask the system for huge pages.
std::shared_ptr<void> aligned_memory(size_t bytes);

class Workspace {
 public:
  explicit Workspace(int workers);
  /// Memory shared by all workers; valid until the next call that asks for more.
  void* shared(size_t bytes) { return grow(shared_, bytes); }
  /// Memory of one worker; may be called inside a parallel body by that worker.
  void* worker(int index, size_t bytes) { return grow(workers_[static_cast<size_t>(index)], bytes); }
  /// Grows every worker's buffer now.
  void reserve_workers(size_t bytes);
  size_t bytes() const;

 private:
  struct alignas(64) Block {
    std::shared_ptr<void> data;
    size_t bytes = 0;
  };
  static void* grow(Block& block, size_t bytes);
  Block shared_;
  std::vector<Block> workers_;
};

}  // namespace owl3::cpu
