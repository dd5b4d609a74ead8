// The vector that is subtracted from all keys of a layer before they are stored.
//
// Trained Qwen2 models have key biases of up to 200 in pairs of channels that RoPE turns hardly at all, while the rest
// of a key is of the size of 1: rounded to blocks that share a scale, such a key keeps nothing but its bias. A softmax
// doesn't see a vector that is subtracted from all of its keys, since it lowers all scores of a query alike; so what
// the biases have in common at all positions need not be stored.
#pragma once
#include <span>
#include <vector>

#include "model/config.h"

namespace owl3::model {

/// [kv_width]: the bias in the pairs of channels that turn by at most 60 degrees over the whole context, 0 in the
/// others: up to that angle, what is left is no larger than the bias was. `other`, which may be empty, is the bias of
/// more keys in the same softmax; the shift is half of the sum of both then.
std::vector<float> key_shift(const Config& c, std::span<const float> bias, std::span<const float> other);

/// [kv_width]: the part of v_kv_proj's bias that its keys have. `bias` is [2 * kv_width] with K, then V of each head.
std::vector<float> visual_key_bias(const Config& c, std::span<const float> bias);

}  // namespace owl3::model
