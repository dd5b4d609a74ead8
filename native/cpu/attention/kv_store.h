// Pages and crops in the CPU's memory, and the lists with addresses that the kernels read: a pass table spelled out for
// one layer.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ops/backend.h"

namespace owl3::cpu {

/// Keys and values of up to `capacity` positions of one layer: k and v each take the bytes of [kv_heads, capacity,
/// head_dim] of `type` (q8_0: each head_dim row is head_dim/32 GGML blocks). How they lie inside says kv_layout.h.
struct KvBlock {
  ops::KvType type = ops::KvType::f16;
  int32_t capacity = 0;
  void* k = nullptr;
  void* v = nullptr;
};

/// Where one row's key and value go: slot `slot` of `block`, the key rotated at `position`.
struct KvSlot {
  KvBlock block;
  int32_t slot = 0;
  int32_t position = 0;
};

/// A run of keys that some query rows see. Text (`causal`): key i stands at position `position + i`, and a query at t
/// sees those with position <= t. Pictures: all keys of a crop stand at `position`; a query at t sees
/// all of them iff t >= position, else none.
struct KvSegment {
  KvBlock block;
  int32_t count = 0;  ///< keys in use, <= capacity
  int32_t position = 0;
  bool causal = true;
};

/// Consecutive rows of one sequence: row first_row + i stands at position first_position + i and sees `segments`.
struct AttentionSequence {
  int64_t first_row = 0;
  int64_t rows = 0;
  int32_t first_position = 0;
  std::span<const KvSegment> segments;
};

/// Attention of some rows of one layer, as ops::AttentionParams with the lists it stands for.
struct AttentionRows {
  const float* q = nullptr;
  int64_t ldq = 0;
  float* out = nullptr;
  int32_t heads = 0;
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  std::span<const AttentionSequence> sequences = {};
  ops::Gate gate = {};  ///< with one, the crops of a sequence come before its text
};

/// Rows to rotate and store. Head h of row r is at k + r * ldk + h * k_head_stride, likewise v, so both [K heads | V
/// heads] and v_kv_proj's [K | V] per head are read where they stand.
struct RopeRows {
  float* q = nullptr;  ///< rotated in place; or null
  int64_t ldq = 0;
  const float* k = nullptr;
  const float* v = nullptr;
  int64_t ldk = 0;
  int64_t ldv = 0;
  int64_t k_head_stride = 0;
  int64_t v_head_stride = 0;
  int32_t heads = 0;
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  float rope_theta = 0;
  const float* key_shift = nullptr;    ///< [kv_heads * head_dim], subtracted from the rotated keys; or null
  std::span<const KvSlot> slots = {};  ///< one a row
};

class CpuKvStore final : public ops::KvStore {
 public:
  explicit CpuKvStore(const ops::KvShape& shape);
  void add_page(int32_t page) override;
  void drop_page(int32_t page) override;
  void copy_page(int32_t from, int32_t to) override;
  void add_crop(int32_t crop) override;
  void drop_crop(int32_t crop) override;

  const ops::KvShape& shape() const { return shape_; }
  KvBlock page(int32_t page, int32_t layer) const { return block(pages_, page, layer, shape_.page_positions); }
  KvBlock crop(int32_t crop, int32_t hyper_layer) const { return block(crops_, crop, hyper_layer, shape_.crop_tokens); }

 private:
  using Blocks = std::vector<std::shared_ptr<void>>;
  /// Bytes of the keys (or the values) of `capacity` positions of one layer.
  uint64_t half_bytes(int32_t capacity) const {
    return static_cast<uint64_t>(shape_.kv_heads) * static_cast<uint64_t>(capacity) * row_bytes_;
  }
  KvBlock block(const Blocks& blocks, int32_t number, int32_t layer, int32_t capacity) const {
    const uint64_t half = half_bytes(capacity);
    char* k = static_cast<char*>(blocks[static_cast<size_t>(number)].get()) + static_cast<uint64_t>(layer) * 2 * half;
    return {shape_.type, capacity, k, k + half};
  }
  void add(Blocks& blocks, int32_t number, uint64_t bytes);
  uint64_t page_bytes() const { return static_cast<uint64_t>(shape_.layers) * 2 * half_bytes(shape_.page_positions); }
  uint64_t crop_bytes() const {
    return static_cast<uint64_t>(shape_.hyper_layers) * 2 * half_bytes(shape_.crop_tokens);
  }

  ops::KvShape shape_;
  uint64_t row_bytes_;
  Blocks pages_, crops_;  // by number; null: does not exist
};

/// The table of a pass, spelled out layer by layer. The lists keep their memory from pass to pass.
class LayerLists {
 public:
  void begin(const ops::PassTable& table, const CpuKvStore& store);
  const std::vector<int32_t>& ids() const { return table_.ids; }
  const std::vector<int32_t>& wanted() const { return table_.wanted; }
  /// Where each row's key and value of `layer` go.
  std::span<const KvSlot> slots(int32_t layer);
  /// The keys that the rows see in `layer`: crops if `hyper_layer` >= 0, then text.
  std::span<const AttentionSequence> sequences(int32_t layer, int32_t hyper_layer);

 private:
  ops::PassTable table_;
  const CpuKvStore* store_ = nullptr;
  std::vector<KvSlot> slots_;
  std::vector<KvSegment> segments_;
  std::vector<AttentionSequence> sequences_;
};

}  // namespace owl3::cpu
