#include "model/kv_cache.h"

#include <algorithm>

#include "model/plan.h"

namespace owl3::model {
namespace {

uint64_t block_bytes(const Config& c, ops::KvType type, uint64_t layers, int32_t positions) {
  return layers * static_cast<uint64_t>(positions) * ops::kv_position_bytes(type, c.num_kv_heads, c.head_dim);
}

}  // namespace

uint64_t page_bytes(const Config& c, ops::KvType type) {
  return block_bytes(c, type, static_cast<uint64_t>(c.num_layers), page_positions);
}
uint64_t crop_bytes(const Config& c, ops::KvType type) {
  return block_bytes(c, type, c.hyper_layers.size(), c.vision.crop_tokens());
}

KvCache::KvCache(const Config& c, std::span<const Stage> stages, ops::KvType type) {
  ops::kv_position_bytes(type, c.num_kv_heads, c.head_dim);  // throws where it can't be
  for (const Stage& stage : stages) stores_.push_back(stage.backend->make_kv_store(kv_shape(c, stage, type)));
}

int32_t KvCache::acquire() {
  const int32_t page = free_pages_.empty() ? static_cast<int32_t>(holders_.size()) : free_pages_.back();
  free_pages_.reserve(holders_.size() + 1);  // so that release() never allocates
  for (size_t i = 0; i < stores_.size(); i++) try {
      stores_[i]->add_page(page);
    } catch (...) {
      while (i-- > 0) stores_[i]->drop_page(page);
      throw;
    }
  if (free_pages_.empty())
    holders_.push_back(1);
  else
    holders_[static_cast<size_t>(page)] = 1, free_pages_.pop_back();
  return page;
}

void KvCache::release(int32_t page) {
  if (--holders_[static_cast<size_t>(page)] > 0) return;
  for (const auto& store : stores_) store->drop_page(page);
  free_pages_.push_back(page);
}

int32_t KvCache::own(int32_t page) {
  if (!shared(page)) return page;
  const int32_t copy = acquire();
  for (const auto& store : stores_) store->copy_page(page, copy);
  release(page);
  return copy;
}

std::shared_ptr<const int32_t> KvCache::acquire_crop() {
  const int32_t crop = free_crops_.empty() ? crops_ : free_crops_.back();
  free_crops_.reserve(static_cast<size_t>(crops_) + 1);
  std::unique_ptr<int32_t> number = std::make_unique<int32_t>(crop);
  for (size_t i = 0; i < stores_.size(); i++) try {
      stores_[i]->add_crop(crop);
    } catch (...) {
      while (i-- > 0) stores_[i]->drop_crop(crop);
      throw;
    }
  if (free_crops_.empty())
    crops_++;
  else
    free_crops_.pop_back();
  return {number.release(), [this](const int32_t* n) {
            for (const auto& store : stores_) store->drop_crop(*n);
            free_crops_.push_back(*n);
            delete n;
          }};
}

std::unique_ptr<Sequence> Sequence::fork() const {
  auto copy = std::make_unique<Sequence>(*cache_);
  copy->pages_ = pages_;
  for (int32_t page : pages_) cache_->share(page);
  copy->crops_ = crops_;
  copy->length_ = length_;
  return copy;
}

void Sequence::truncate(int32_t length) {
  length_ = std::min(length_, length);
  const size_t keep = static_cast<size_t>((length_ + page_positions - 1) / page_positions);
  for (; pages_.size() > keep; pages_.pop_back()) cache_->release(pages_.back());
  std::erase_if(crops_, [&](const VisibleCrop& crop) { return crop.offset >= length_; });
}

int32_t Sequence::pages_for(int32_t n) const {
  const size_t first = static_cast<size_t>(length_ / page_positions);
  const size_t end = static_cast<size_t>((length_ + n + page_positions - 1) / page_positions);
  int32_t pages = 0;
  for (size_t i = first; i < end; i++) pages += i >= pages_.size() || cache_->shared(pages_[i]);
  return pages;
}

void Sequence::prepare(int32_t n) {
  const size_t first = static_cast<size_t>(length_ / page_positions);
  const size_t end = static_cast<size_t>((length_ + n + page_positions - 1) / page_positions);
  pages_.reserve(end);
  for (size_t i = first; i < std::min(end, pages_.size()); i++) pages_[i] = cache_->own(pages_[i]);
  while (pages_.size() < end) pages_.push_back(cache_->acquire());
}

void Sequence::list(std::span<const int32_t> ids, ops::PassTable& table, int32_t skip) const {
  const int32_t n = static_cast<int32_t>(ids.size()), first = length_ + skip;
  table.sequences.push_back({.first_row = static_cast<int32_t>(table.ids.size()),
                             .rows = n,
                             .first_position = first,
                             .first_page = static_cast<int32_t>(table.pages.size()),
                             .pages = static_cast<int32_t>(pages_.size()),
                             .first_crop = static_cast<int32_t>(table.crops.size()),
                             .crops = static_cast<int32_t>(crops_.size())});
  table.ids.insert(table.ids.end(), ids.begin(), ids.end());
  for (int32_t i = 0; i < n; i++) table.positions.push_back(first + i);
  table.pages.insert(table.pages.end(), pages_.begin(), pages_.end());
  for (const VisibleCrop& crop : crops_) table.crops.push_back({*crop.crop, crop.position});
}

}  // namespace owl3::model
