// Keys and values in a backend's memory, spoken of by number: pages of text that sequences share, and the visual keys
// and values of crops. How they lie inside is the backend's own; rope_store and store_visual write, attention reads.
#pragma once
#include <cstdint>

namespace owl3::ops {

enum class KvType : uint8_t { f32, f16, q8_0 };

/// The contents of a store, for the layers that stand on its backend.
struct KvShape {
  KvType type = KvType::f16;
  int32_t layers = 0;        ///< layers; a page holds keys and values of all of them
  int32_t hyper_layers = 0;  ///< that attend to crops
  int32_t kv_heads = 0;
  int32_t head_dim = 0;        ///< with q8_0 a multiple of 32
  int32_t page_positions = 0;  ///< positions a page
  int32_t crop_tokens = 0;     ///< visual keys a crop
};

/// Bytes of the keys and values of one position in one layer, without padding. Error{unsupported} when heads can't be
/// stored as `type`.
uint64_t kv_position_bytes(KvType type, int32_t kv_heads, int32_t head_dim);

/// The pages and crops of one session. Numbers are given by the model, from 0 up and reused, so that a device can keep
/// their addresses in one table. Dropped memory is freed after the work that was enqueued before.
class KvStore {
 public:
  virtual ~KvStore() = default;
  /// Makes page `page` exist, its contents undefined. Error{out_of_memory}.
  virtual void add_page(int32_t page) = 0;
  virtual void drop_page(int32_t page) = 0;
  /// Enqueues a copy of a whole page (a forked sequence's page that is about to be written).
  virtual void copy_page(int32_t from, int32_t to) = 0;
  /// Makes crop `crop` exist, its contents undefined. Error{out_of_memory}.
  virtual void add_crop(int32_t crop) = 0;
  virtual void drop_crop(int32_t crop) = 0;
};

}  // namespace owl3::ops
