// Keys and values: pages of text shared between sequences, and the visual keys and values of crops.
//
// A page holds 64 positions of all layers, so a sequence is a list of pages. Pages are counted: a fork shares them, and
// whoever writes into a shared page first gets a copy of its own (PagedAttention's sharing, arXiv 2309.06180). The same
// image_embeds feed every hyper layer, so a crop's keys and values are computed once, kept, and shared by forks.
//
// Memory is the backends' (ops/kv_store.h): a page or crop has one number, and each stage's store holds the part of its
// layers.
#pragma once
#include <memory>
#include <vector>

#include "model/config.h"
#include "model/stage.h"
#include "ops/backend.h"

namespace owl3::model {

constexpr int32_t page_positions = 64;

/// Bytes of one page and of one crop, over all layers. Error{unsupported} when heads can't be stored as `type`.
uint64_t page_bytes(const Config& c, ops::KvType type);
uint64_t crop_bytes(const Config& c, ops::KvType type);

/// All pages and crops of a session.
class KvCache {
 public:
  /// Error{unsupported} when heads can't be stored as `type`.
  KvCache(const Config& config, std::span<const Stage> stages, ops::KvType type);

  ops::KvStore& store(size_t stage) { return *stores_[stage]; }

  /// A page that only the caller holds. Error{out_of_memory}.
  int32_t acquire();
  void share(int32_t page) { holders_[static_cast<size_t>(page)]++; }
  bool shared(int32_t page) const { return holders_[static_cast<size_t>(page)] > 1; }
  void release(int32_t page);
  /// `page` if only the caller holds it, else a copy of it (and one holder fewer of the original).
  int32_t own(int32_t page);
  int64_t pages_in_use() const { return static_cast<int64_t>(holders_.size() - free_pages_.size()); }

  /// Room for the visual keys and values of one crop; it goes with the last holder of the number.
  std::shared_ptr<const int32_t> acquire_crop();
  int64_t crops_in_use() const { return crops_ - static_cast<int64_t>(free_crops_.size()); }

 private:
  std::vector<std::unique_ptr<ops::KvStore>> stores_;  // one a stage
  std::vector<int32_t> holders_;                       // by page
  std::vector<int32_t> free_pages_, free_crops_;       // numbers to be used again
  int32_t crops_ = 0;                                  // numbers given out so far
};

/// A crop in a sequence's sight.
struct VisibleCrop {
  int32_t offset = 0;                   // of its placeholder: it goes when that goes
  int32_t position = 0;                 // seen from it on, and its keys are rotated to it
  std::shared_ptr<const int32_t> crop;  // its number in the stores
};

/// One sequence: its length, pages and crops. Moves only; pages go back to the cache with it.
class Sequence {
 public:
  explicit Sequence(KvCache& cache) : cache_(&cache) {}
  ~Sequence() { truncate(0); }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  int32_t length() const { return length_; }
  int64_t crops() const { return static_cast<int64_t>(crops_.size()); }
  /// A copy that shares pages and crops.
  std::unique_ptr<Sequence> fork() const;
  /// Forgets positions from `length` on, prepared ones too, and crops whose placeholder stands there.
  void truncate(int32_t length);
  /// Adds a crop to what is in sight.
  void see(VisibleCrop crop) { crops_.push_back(std::move(crop)); }

  /// Pages that prepare(n) would take from the cache, at most: new ones, and copies of shared ones.
  int32_t pages_for(int32_t n) const;
  /// Makes positions [length(), length() + n) writable: pages exist and are this sequence's own.
  void prepare(int32_t n);
  /// Appends prepared rows and what they may see to the table of a pass: `ids`, behind `skip` rows of a pass before it.
  void list(std::span<const int32_t> ids, ops::PassTable& table, int32_t skip = 0) const;
  /// The prepared positions are written.
  void advance(int32_t n) { length_ += n; }

 private:
  KvCache* cache_;
  int32_t length_ = 0;
  std::vector<int32_t> pages_;
  std::vector<VisibleCrop> crops_;
};

}  // namespace owl3::model
