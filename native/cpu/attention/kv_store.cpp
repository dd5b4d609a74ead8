#include "cpu/attention/kv_store.h"

#include <algorithm>
#include <cstring>

#include "cpu/attention/kv_layout.h"
#include "cpu/workspace.h"

namespace owl3::cpu {

CpuKvStore::CpuKvStore(const ops::KvShape& shape)
    : shape_(shape), row_bytes_(static_cast<uint64_t>(kv::row_bytes(shape.type, shape.head_dim))) {}

void CpuKvStore::add(Blocks& blocks, int32_t number, uint64_t bytes) {
  const size_t at = static_cast<size_t>(number);
  if (blocks.size() <= at) blocks.resize(at + 1);
  blocks[at] = aligned_memory(bytes);
}
void CpuKvStore::add_page(int32_t page) {
  add(pages_, page, page_bytes());
}
void CpuKvStore::add_crop(int32_t crop) {
  add(crops_, crop, crop_bytes());
}
void CpuKvStore::drop_page(int32_t page) {
  pages_[static_cast<size_t>(page)].reset();
}
void CpuKvStore::drop_crop(int32_t crop) {
  crops_[static_cast<size_t>(crop)].reset();
}
void CpuKvStore::copy_page(int32_t from, int32_t to) {
  std::memcpy(pages_[static_cast<size_t>(to)].get(), pages_[static_cast<size_t>(from)].get(), page_bytes());
}

void LayerLists::begin(const ops::PassTable& table, const CpuKvStore& store) {
  table_ = table;
  store_ = &store;
}

std::span<const KvSlot> LayerLists::slots(int32_t layer) {
  slots_.clear();
  const int32_t positions = store_->shape().page_positions;
  for (const ops::TableSequence& s : table_.sequences)
    for (int32_t i = 0; i < s.rows; i++) {
      const int32_t position = table_.positions[static_cast<size_t>(s.first_row + i)];
      const int32_t page = table_.pages[static_cast<size_t>(s.first_page + position / positions)];
      slots_.push_back({store_->page(page, layer), position % positions, position});
    }
  return slots_;
}

std::span<const AttentionSequence> LayerLists::sequences(int32_t layer, int32_t hyper_layer) {
  segments_.clear();
  sequences_.clear();
  const int32_t positions = store_->shape().page_positions;
  size_t segments = 0;
  for (const ops::TableSequence& s : table_.sequences)
    segments += static_cast<size_t>(s.pages + (hyper_layer >= 0 ? s.crops : 0));
  segments_.reserve(segments);  // the spans below stay valid
  for (const ops::TableSequence& s : table_.sequences) {
    const size_t first = segments_.size();
    if (hyper_layer >= 0)
      for (int32_t i = 0; i < s.crops; i++) {
        const ops::TableCrop& crop = table_.crops[static_cast<size_t>(s.first_crop + i)];
        segments_.push_back({store_->crop(crop.crop, hyper_layer), store_->shape().crop_tokens, crop.position, false});
      }
    const int32_t end = s.first_position + s.rows;
    for (int32_t p = 0; p < end; p += positions) {
      const int32_t page = table_.pages[static_cast<size_t>(s.first_page + p / positions)];
      segments_.push_back({store_->page(page, layer), std::min(positions, end - p), p, true});
    }
    sequences_.push_back({s.first_row, s.rows, s.first_position,
                          std::span<const KvSegment>(segments_).subspan(first, segments_.size() - first)});
  }
  return sequences_;
}

}  // namespace owl3::cpu
