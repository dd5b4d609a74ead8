// How keys and values lie in the memory of a page or a crop, and where pages and crops are.
//
//     [layer][keys | values][kv_heads][rows of head_dim]
//
// f32 and f16: rows one after the other. q8_0: int8 [positions][head_dim], then f16 scales [positions][head_dim / 32].
// The keys or values of a head are padded to a multiple of 16 bytes.
// Keys are rotated. q8_0 keys are stored as their Hadamard transform, as on the CPU (cpu/attention/kv_layout.h); queries
// are transformed alike.
#pragma once
#include <cstddef>

#include "cuda/kernels/params.h"
#include "ops/kv_store.h"

namespace owl3::cuda {

/// Bytes that the device must hold for one page, one crop.
size_t page_bytes(const ops::KvShape& shape);
size_t crop_bytes(const ops::KvShape& shape);

/// A store as the verbs see it. `pages` and `crops` are tables on the device: entry i is the address of page (crop) i,
/// 256-byte aligned; entries of what does not exist are not read.
struct KvAddresses {
  ops::KvShape shape;
  char* const* pages = nullptr;
  char* const* crops = nullptr;
};

/// One layer of a store; hyper_layer < 0: it has no crops.
KvView kv_view(const KvAddresses& kv, int32_t layer, int32_t hyper_layer);

}  // namespace owl3::cuda
