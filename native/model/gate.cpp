#include "model/gate.h"

#include <cmath>

namespace owl3::model {

const char* hyper_kind_name(HyperKind kind) {
  switch (kind) {
    case HyperKind::fused:
      return "fused";
    case HyperKind::gated_head:
      return "gated_head";
    case HyperKind::gated_channel:
      return "gated_channel";
  }
  return "";
}

std::vector<int64_t> GateShape::weight() const {
  if (kind == HyperKind::gated_head) return {head_dim, head_dim};
  return {int64_t{num_heads} * head_dim};
}

ops::GateKind GateShape::ops_kind() const {
  return kind == HyperKind::gated_head      ? ops::GateKind::head
         : kind == HyperKind::gated_channel ? ops::GateKind::channel
                                            : ops::GateKind::none;
}

std::vector<float> gate_weight(const GateShape& shape, std::span<const float> stored) {
  std::vector<float> values(stored.size());
  if (shape.kind == HyperKind::gated_head) {
    const auto d = static_cast<size_t>(shape.head_dim);
    for (size_t out = 0; out < d; out++)
      for (size_t in = 0; in < d; in++) values[in * d + out] = stored[out * d + in];
    return values;
  }
  for (size_t i = 0; i < stored.size(); i++)
    values[i] = static_cast<float>(1 / (1 + std::exp(-static_cast<double>(stored[i]))));
  return values;
}

}  // namespace owl3::model
