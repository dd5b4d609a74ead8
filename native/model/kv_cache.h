// Keys and values: pages of text shared between sequences, and the visual keys and values of crops.
//
// A page holds 64 positions of all layers, so a sequence is a list of pages. Pages are counted: a fork shares them, and
// whoever writes into a shared page first gets a copy of its own (PagedAttention's sharing, arXiv 2309.06180). The same
// image_embeds feed every hyper layer, so a crop's keys and values are computed once, kept, and shared by forks.
#pragma once
#include <memory>
#include <vector>

#include "model/config.h"
#include "ops/backend.h"

namespace owl3::model {

constexpr int32_t kPagePositions = 64;

/// Bytes of one value row (head_dim values) of the cache. Error{unsupported} when `type` can't hold such rows.
uint64_t kv_row_bytes(ops::KvType type, int32_t head_dim);

/// Keys and values of some layers: [layer][K | V][kv_heads][capacity][head_dim].
struct KvShape {
  ops::KvType type = ops::KvType::f16;
  int32_t layers = 0;
  int32_t kv_heads = 0;
  int32_t capacity = 0;
  uint64_t row_bytes = 0;
  uint64_t half_bytes() const { return static_cast<uint64_t>(kv_heads) * static_cast<uint64_t>(capacity) * row_bytes; }
  uint64_t bytes() const { return static_cast<uint64_t>(layers) * 2 * half_bytes(); }
  ops::KvBlock block(void* memory, int32_t layer) const {
    char* k = static_cast<char*>(memory) + static_cast<uint64_t>(layer) * 2 * half_bytes();
    return {type, capacity, k, k + half_bytes()};
  }
};
KvShape page_shape(const Config& c, ops::KvType type);
KvShape visual_shape(const Config& c, ops::KvType type);

/// Visual keys (rotated at media_offset) and values of one crop, for every hyper layer.
struct VisualKv {
  ops::Backend::Buffer memory;  // KvShape visual
};

/// All pages of a session.
class KvCache {
 public:
  KvCache(ops::Backend& backend, const KvShape& shape) : backend_(backend), shape_(shape) {}

  /// A page that only the caller holds. Error{out_of_memory}.
  int32_t acquire();
  void share(int32_t page) { pages_[static_cast<size_t>(page)].holders++; }
  void release(int32_t page);
  /// `page` if only the caller holds it, else a copy of it (and one holder fewer of the original).
  int32_t own(int32_t page);
  ops::KvBlock block(int32_t page, int32_t layer) const {
    return shape_.block(pages_[static_cast<size_t>(page)].memory.get(), layer);
  }
  /// Pages with a holder.
  size_t in_use() const { return pages_.size() - free_.size(); }
  const KvShape& shape() const { return shape_; }

 private:
  struct Page {
    ops::Backend::Buffer memory;
    int32_t holders = 0;
  };
  ops::Backend& backend_;
  KvShape shape_;
  std::vector<Page> pages_;
  std::vector<int32_t> free_;  // kept for the next acquire()
};

/// A crop that a sequence sees from position `offset` on.
struct VisibleCrop {
  int32_t offset = 0;
  std::shared_ptr<const VisualKv> kv;
};

/// One sequence: its length, pages and crops. Moves only; pages go back to the cache with it.
class Sequence {
 public:
  explicit Sequence(KvCache& cache) : cache_(&cache) {}
  ~Sequence() { truncate(0); }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  int32_t length() const { return length_; }
  const std::vector<VisibleCrop>& crops() const { return crops_; }
  /// A copy that shares pages and crops.
  std::unique_ptr<Sequence> fork() const;
  /// Forgets positions from `length` on, and crops that become visible there.
  void truncate(int32_t length);
  void see(VisibleCrop crop) { crops_.push_back(std::move(crop)); }

  /// Makes positions [length(), length() + n) writable: pages exist and are this sequence's own.
  void prepare(int32_t n);
  /// Where position p (prepared) is stored in `layer`.
  ops::KvSlot slot(int32_t layer, int32_t p) const;
  /// What a query may see in `layer` with `end` positions written: crops if `visual` (index among hyper layers, or -1),
  /// then text.
  void segments(int32_t layer, int32_t visual, const KvShape& visual_shape, int32_t end,
                std::vector<ops::KvSegment>& out) const;
  /// The prepared positions are written.
  void advance(int32_t n) { length_ += n; }

 private:
  KvCache* cache_;
  int32_t length_ = 0;
  std::vector<int32_t> pages_;
  std::vector<VisibleCrop> crops_;
};

}  // namespace owl3::model
