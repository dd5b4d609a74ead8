#include "ops/backend.h"

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"

namespace owl3::ops {

namespace {

/// Bytes of one row of a head's values.
uint64_t row_bytes(KvType type, int32_t head_dim) {
  switch (type) {
    case KvType::f32:
      return gguf::row_bytes(DType::f32, head_dim);
    case KvType::f16:
      return gguf::row_bytes(DType::f16, head_dim);
    case KvType::q8_0:
      if (head_dim % 32 != 0)
        throw Error(ErrorCode::unsupported,
                    "a KV cache of type q8_0 needs heads of a multiple of 32 values, this model's have " +
                        std::to_string(head_dim));
      return gguf::row_bytes(DType::q8_0, head_dim);
  }
  throw Error(ErrorCode::invalid_argument, "unknown type of KV cache");
}

}  // namespace

uint64_t kv_position_bytes(KvType type, int32_t kv_heads, int32_t head_dim) {
  return 2 * static_cast<uint64_t>(kv_heads) * row_bytes(type, head_dim);
}

uint64_t Backend::kv_bytes(const KvShape& s, int64_t pages, int64_t crops) const {
  const uint64_t position = kv_position_bytes(s.type, s.kv_heads, s.head_dim);
  const uint64_t page = static_cast<uint64_t>(s.layers) * static_cast<uint64_t>(s.page_positions);
  const uint64_t crop = static_cast<uint64_t>(s.hyper_layers) * static_cast<uint64_t>(s.crop_tokens);
  const uint64_t positions = checked_mul(static_cast<uint64_t>(pages), page, "KV cache") +
                             checked_mul(static_cast<uint64_t>(crops), crop, "visual keys and values");
  return checked_mul(positions, position, "keys and values");
}

void Backend::read(void* dst, const void* src, size_t bytes) {
  copy_to_host(dst, src, bytes);
  wait(submit());
}

void Backend::copy_from(Backend& other, void* dst, const void* src, size_t bytes) {
  std::vector<char> host(bytes);
  other.copy_to_host(host.data(), src, bytes);
  other.wait(other.submit());
  copy_to_device(dst, host.data(), bytes);
}

void Backend::take_ids(const int32_t*) {
  throw Error(ErrorCode::internal, "passes of " + device() + " do not run ahead");
}

void Backend::pick(const float* logits, int64_t n, int32_t k, std::span<Picked> picked, int32_t* first) {
  std::vector<float> row(static_cast<size_t>(n));
  for (size_t i = 0; i < picked.size(); i++) {
    copy_to_host(row.data(), logits + static_cast<int64_t>(i) * n, row.size() * sizeof(float));
    wait(submit());
    picked[i] = pick_row(row, std::max(k, first != nullptr ? 1 : 0));
    if (first != nullptr) copy_to_device(first + i, picked[i].ids.data(), sizeof *first);
  }
}

}  // namespace owl3::ops
