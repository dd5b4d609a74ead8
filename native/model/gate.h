// The hyper layers of the checkpoints before 241101: text and pictures have a softmax each, and a gate blends what they
// give (ops::Gate). This file turns a checkpoint's gate, as the file holds it, into what attention takes.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ops/backend.h"

namespace owl3::model {

/// How a hyper layer joins text and pictures: in one softmax (241101), or in two with a gate, computed from each head
/// vector of the text (240728) or constant for each value of a head (241014).
enum class HyperKind : uint8_t { fused, gated_head, gated_channel };
const char* hyper_kind_name(HyperKind kind);  ///< as the file's key names it: "fused", "gated_head", "gated_channel"

/// The tensors of a layer's gate.
struct GateShape {
  HyperKind kind = HyperKind::fused;
  int32_t num_heads = 0;
  int32_t head_dim = 0;
  /// As the file holds `weight`, row length first: gated_head [D, D], gated_channel [H * D].
  std::vector<int64_t> weight() const;
  bool has_bias() const { return kind == HyperKind::gated_head; }
  ops::GateKind ops_kind() const;
};

/// The values of ops::Gate::weight of a gate's stored weight: gated_head's is transposed, gated_channel's passes the
/// sigmoid, in double precision.
std::vector<float> gate_weight(const GateShape& shape, std::span<const float> stored);

}  // namespace owl3::model
