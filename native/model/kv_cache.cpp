#include "model/kv_cache.h"

#include <algorithm>

namespace owl3::model {

uint64_t kv_row_bytes(ops::KvType type, int32_t head_dim) {
  switch (type) {
    case ops::KvType::f32:
      return gguf::row_bytes(DType::f32, head_dim);
    case ops::KvType::f16:
      return gguf::row_bytes(DType::f16, head_dim);
    case ops::KvType::q8_0:
      if (head_dim % 32 != 0)
        throw Error(ErrorCode::unsupported,
                    "a KV cache of type q8_0 needs heads of a multiple of 32 values, this model's have " +
                        std::to_string(head_dim));
      return gguf::row_bytes(DType::q8_0, head_dim);
  }
  throw Error(ErrorCode::invalid_argument, "unknown type of KV cache");
}

KvShape page_shape(const Config& c, ops::KvType type) {
  return {type, c.blocks, c.kv_heads, kPagePositions, kv_row_bytes(type, c.head_dim)};
}
KvShape visual_shape(const Config& c, ops::KvType type) {
  return {type, static_cast<int32_t>(c.hyper_blocks.size()), c.kv_heads, c.vision.tokens(),
          kv_row_bytes(type, c.head_dim)};
}

int32_t KvCache::acquire() {
  if (free_.empty()) {
    free_.reserve(pages_.size() + 1);  // so that release() never allocates
    pages_.push_back({backend_.allocate(shape_.bytes()), 1});
    return static_cast<int32_t>(pages_.size() - 1);
  }
  const int32_t page = free_.back();
  free_.pop_back();
  pages_[static_cast<size_t>(page)].holders = 1;
  return page;
}

void KvCache::release(int32_t page) {
  if (--pages_[static_cast<size_t>(page)].holders == 0) free_.push_back(page);
}

int32_t KvCache::own(int32_t page) {
  if (pages_[static_cast<size_t>(page)].holders == 1) return page;
  const int32_t copy = acquire();
  backend_.copy(pages_[static_cast<size_t>(copy)].memory.get(), pages_[static_cast<size_t>(page)].memory.get(),
                shape_.bytes());
  release(page);
  return copy;
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
  const size_t keep = static_cast<size_t>((length_ + kPagePositions - 1) / kPagePositions);
  for (; pages_.size() > keep; pages_.pop_back()) cache_->release(pages_.back());
  std::erase_if(crops_, [&](const VisibleCrop& crop) { return crop.offset >= length_; });
}

void Sequence::prepare(int32_t n) {
  const size_t first = static_cast<size_t>(length_ / kPagePositions);
  const size_t end = static_cast<size_t>((length_ + n + kPagePositions - 1) / kPagePositions);
  pages_.reserve(end);
  for (size_t i = first; i < std::min(end, pages_.size()); i++) pages_[i] = cache_->own(pages_[i]);
  while (pages_.size() < end) pages_.push_back(cache_->acquire());
}

ops::KvSlot Sequence::slot(int32_t layer, int32_t p) const {
  return {cache_->block(pages_[static_cast<size_t>(p / kPagePositions)], layer), p % kPagePositions, p};
}

void Sequence::segments(int32_t layer, int32_t visual, const KvShape& visual_shape, int32_t end,
                        std::vector<ops::KvSegment>& out) const {
  if (visual >= 0)
    for (const VisibleCrop& crop : crops_)
      out.push_back({visual_shape.block(crop.kv->memory.get(), visual), visual_shape.capacity, crop.offset, false});
  for (int32_t p = 0; p < end; p += kPagePositions)
    out.push_back({cache_->block(pages_[static_cast<size_t>(p / kPagePositions)], layer),
                   std::min(kPagePositions, end - p), p, true});
}

}  // namespace owl3::model
