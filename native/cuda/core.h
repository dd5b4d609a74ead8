// A backend and the memory that it gave out share a device, its memory and its one queue of work.
#pragma once
#include <atomic>
#include <functional>

#include "cuda/graphs.h"
#include "cuda/memory.h"

namespace owl3::cuda {

class Core {
  std::atomic<int> retired_ = 0;  // stands before the queue, which counts it down until it ends

 public:
  Core(std::shared_ptr<const driver::Driver> driver, const driver::DeviceFacts& facts, std::string id,
       const void* image);
  ~Core();

  Device device;
  Heap heap;
  Pinned pinned;
  Queue queue;
  Graphs graphs;

  /// As Heap::allocate, after memory that was retired is free.
  char* allocate(size_t bytes);
  /// Frees memory after the work that was enqueued before, with the recordings whose activations lie in it.
  void retire(char* memory) noexcept;

  /// Enqueues a copy to the device; `from` is taken before it returns.
  void upload(void* to, const void* from, size_t bytes);
  /// The same of bytes that `fill` writes.
  void upload(void* to, size_t bytes, const std::function<void(char*)>& fill);
  /// Enqueues a copy to pinned memory, which `use` sees when it has arrived.
  void download(const void* from, size_t bytes, std::function<void(const char*)> use);
  /// Copies finished memory to the host at once, beside the queue.
  void read(void* to, const void* from, size_t bytes);

 private:
  driver::Stream reader_ = nullptr;
};

}  // namespace owl3::cuda
