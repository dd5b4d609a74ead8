// Memory of a device, and pinned memory of the host that it copies from and to.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/device.h"

namespace owl3::cuda {

/// Gives out memory of a device. The driver gives memory by the granule, and what is small shares one, so that what a
/// model takes can be told beforehand. Calls may come from any thread.
class Heap {
 public:
  static constexpr size_t granule = size_t{2} << 20;
  static constexpr size_t alignment = 256;
  /// The size of a piece of shared memory.
  static size_t aligned(size_t bytes);
  /// Bytes that memory of this size takes, in a sum of many: a granule whose rest is too small for what comes next is
  /// left with that rest.
  static size_t rounded(size_t bytes);
  /// And the granule that small memory has begun and not filled.
  static constexpr size_t slack = granule;

  explicit Heap(const Device& device) : device_(device) {}
  ~Heap();
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  /// Uninitialised. Error{out_of_memory} that says how much is free.
  char* allocate(size_t bytes);
  /// Nothing may use it any more.
  void free(char* memory) noexcept;

 private:
  struct Shared {
    size_t used = 0;
    int live = 0;
  };
  char* take(size_t bytes, size_t wanted);
  void give(char* memory) noexcept;

  const Device& device_;
  std::mutex mutex_;
  std::map<char*, Shared> shared_;  // granules that are shared, by their address
  char* current_ = nullptr;         // the one that small memory comes from
};

/// Pinned memory in blocks that are used again. Calls may come from any thread.
class Pinned {
 public:
  explicit Pinned(const Device& device) : device_(device) {}
  ~Pinned();
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

  struct Block {
    char* data = nullptr;
    size_t bytes = 0;  ///< a power of two
  };
  /// Error{out_of_memory}.
  Block take(size_t bytes);
  void give(Block block) noexcept;
  /// Bytes of blocks that are in use.
  size_t taken() const;

 private:
  const Device& device_;
  mutable std::mutex mutex_;
  std::vector<Block> spare_;
  size_t taken_ = 0;
};

}  // namespace owl3::cuda
