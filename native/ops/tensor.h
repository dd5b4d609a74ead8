// What the model hands to a backend: views of host tensors to load, and the shapes of key/value storage.
// Shape notation in all native headers: [rows, cols], row-major, cols fastest; f32 unless said otherwise.
#pragma once
#include <cstdint>

#include "gguf/quant.h"

namespace owl3::ops {

/// Which rows a weight meets. `stream`: few or many, and always with the same arithmetic (the language model: decoding,
/// prefill in any chunks). `bulk`: always hundreds (whole crops), so a backend may choose other arithmetic of at least
/// that accuracy.
enum class MatrixUse : uint8_t { stream, bulk };

/// A matrix in a file: `rows` packed rows of `cols` values.
struct HostTensor {
  DType type;
  int64_t rows;
  int64_t cols;
  const void* data;
  MatrixUse use = MatrixUse::stream;
};

/// A weight matrix in the form its backend computes with (repacked, on the device, ...). Made by Backend::load_matrix.
class Matrix {
 public:
  virtual ~Matrix() = default;
  int64_t rows = 0;  ///< n: outputs
  int64_t cols = 0;  ///< k: inputs
  DType type = DType::f32;
  uint64_t bytes = 0;  ///< memory it takes now
};

enum class KvType : uint8_t { f32, f16, q8_0 };

/// Keys and values of up to `capacity` positions of one layer: k and v each take the bytes of [kv_heads, capacity,
/// head_dim] of `type` (q8_0: each head_dim row is head_dim/32 GGML blocks). A page of a sequence's text, or one crop's
/// visual tokens. How they lie inside is the backend's own (the CPU keeps keys transposed): rope_store writes,
/// attention reads, others copy whole blocks.
struct KvBlock {
  KvType type = KvType::f16;
  int32_t capacity = 0;
  void* k = nullptr;
  void* v = nullptr;
};

/// A run of keys that some query rows see. Text (`causal`): key i stands at position `position + i`, and a query at t
/// sees those with position <= t. Pictures: all keys of a crop stand at media_offset = `position`; a query at t sees
/// all of them iff t >= position, else none.
struct KvSegment {
  KvBlock block;
  int32_t count = 0;  ///< keys in use, <= capacity
  int32_t position = 0;
  bool causal = true;
};

}  // namespace owl3::ops
