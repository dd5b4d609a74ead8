// Pages and crops of a session in a device's memory.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "cuda/core.h"
#include "cuda/verbs/kv_layout.h"

namespace owl3::cuda {

/// Pieces of one size that have numbers, and the table of their addresses on the device. Small pieces share memory.
class Pieces {
 public:
  Pieces(Core& core, size_t piece_bytes);
  ~Pieces();
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  void add(int32_t number);  ///< Error{out_of_memory}
  void drop(int32_t number) noexcept;
  char* at(int32_t number) const { return addresses_[static_cast<size_t>(number)]; }
  /// The table, after what changed was enqueued to be copied. `moved`: it stands elsewhere than the last time.
  char* const* table(bool* moved);

  /// Bytes that `count` pieces and their table take.
  static size_t bytes(size_t piece_bytes, int64_t count);

 private:
  struct Slab {
    size_t live = 0;
  };
  Core& core_;
  size_t stride_, per_slab_;
  std::map<char*, Slab> slabs_;
  std::vector<char*> free_;
  std::vector<char*> addresses_;  // by number; null where there is none
  char* table_ = nullptr;
  size_t capacity_ = 0;  // of the table
  bool changed_ = true;
};

class CudaKvStore final : public ops::KvStore {
 public:
  CudaKvStore(std::shared_ptr<Core> core, const ops::KvShape& shape);
  ~CudaKvStore() override;
  void add_page(int32_t page) override { pages_.add(page); }
  void drop_page(int32_t page) override { pages_.drop(page); }
  void copy_page(int32_t from, int32_t to) override;
  void add_crop(int32_t crop) override { crops_.add(crop); }
  void drop_crop(int32_t crop) override { crops_.drop(crop); }

  /// Differs from that of every other store of the process.
  uint64_t number() const { return number_; }
  const ops::KvShape& shape() const { return shape_; }
  /// The store as verbs see it, after what changed was enqueued to be copied.
  KvAddresses addresses();

  /// Bytes that a store of so many pages and crops takes.
  static size_t bytes(const ops::KvShape& shape, int64_t pages, int64_t crops);

 private:
  std::shared_ptr<Core> core_;
  ops::KvShape shape_;
  uint64_t number_;
  Pieces pages_, crops_;
  bool moved_ = false;  // a table stands elsewhere than recordings know
};

}  // namespace owl3::cuda
