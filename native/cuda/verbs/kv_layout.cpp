#include "cuda/verbs/kv_layout.h"

namespace owl3::cuda {
namespace {

KvFormat format_of(ops::KvType type) {
  return type == ops::KvType::f32 ? KvFormat::f32 : type == ops::KvType::f16 ? KvFormat::f16 : KvFormat::q8_0;
}
int64_t layer_bytes(const ops::KvShape& s, int64_t positions) {
  return 2 * int64_t{s.kv_heads} * head_bytes(format_of(s.type), s.head_dim, positions);
}

}  // namespace

size_t page_bytes(const ops::KvShape& shape) {
  return static_cast<size_t>(shape.layers * layer_bytes(shape, shape.page_positions));
}
size_t crop_bytes(const ops::KvShape& shape) {
  return static_cast<size_t>(shape.hyper_layers * layer_bytes(shape, shape.crop_tokens));
}

KvView kv_view(const KvAddresses& kv, int32_t layer, int32_t hyper_layer) {
  const ops::KvShape& s = kv.shape;
  return {.pages = kv.pages,
          .crops = kv.crops,
          .page_at = layer * layer_bytes(s, s.page_positions),
          .crop_at = hyper_layer < 0 ? 0 : hyper_layer * layer_bytes(s, s.crop_tokens),
          .format = format_of(s.type),
          .kv_heads = s.kv_heads,
          .head_dim = s.head_dim,
          .page_positions = s.page_positions,
          .crop_tokens = s.crop_tokens};
}

}  // namespace owl3::cuda
