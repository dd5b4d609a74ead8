// The shapes of a model, as its file gives them. Nothing is assumed: every number comes from the file's keys and is
// range-checked, because a file is hostile until shown otherwise.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "gguf/gguf.h"
#include "model/gate.h"

namespace owl3::model {

/// The SigLIP tower. Notation: S pixels a side, P patch, T = floor(S / P)^2 tokens a crop, dv hidden, mv MLP.
struct VisionConfig {
  int32_t crop_size = 0;          ///< S: pixels a side of a crop; what a last, broken patch would cover is not read
  int32_t patch_size = 0;         ///< P
  int32_t hidden_size = 0;        ///< dv
  int32_t intermediate_size = 0;  ///< mv, as stored (may be widened with zeros)
  int32_t num_layers = 0;         ///< layers that are run
  int32_t num_heads = 0;
  int32_t head_dim = 0;
  float layer_norm_eps = 0;
  float mean[3] = {};
  float std[3] = {};
  int32_t crop_tokens() const { return (crop_size / patch_size) * (crop_size / patch_size); }  ///< T
  int32_t patch_values() const { return 3 * patch_size * patch_size; }
};

/// The Qwen2 language model with hyper layers. Notation: d hidden, m MLP, H heads, G KV heads, D head dim, V vocabulary.
struct Config {
  std::string name;
  int32_t num_layers = 0;
  int32_t hidden_size = 0;        ///< d
  int32_t intermediate_size = 0;  ///< m
  int32_t num_heads = 0;          ///< H
  int32_t num_kv_heads = 0;       ///< G, divides H
  int32_t head_dim = 0;           ///< D = d / H, even
  int32_t vocab_size = 0;         ///< V: rows of the embedding; an id at or past it is an error
  int32_t context_length = 0;     ///< positions the model was made for
  float rms_norm_eps = 0;
  float rope_theta = 0;
  std::vector<int32_t> hyper_layers;  ///< 0-based, ascending
  HyperKind hyper_kind = HyperKind::fused;
  int32_t media_shift = 0;  ///< from a placeholder's first token to the position from which on its crop is seen: 0 or 1
  VisionConfig vision;

  int32_t kv_width() const { return num_kv_heads * head_dim; }
  /// Index of layer `i` among the hyper layers, or -1.
  int32_t hyper_index(int32_t i) const;
  GateShape gate_shape() const { return {.kind = hyper_kind, .num_heads = num_heads, .head_dim = head_dim}; }
  /// Linear, GELU, Linear (241101); else one Linear, as in the checkpoints whose hyper layers have a gate.
  bool projects_twice() const { return hyper_kind == HyperKind::fused; }
};

/// Reads and checks all keys. Error{bad_model} naming file and key, or Error{unsupported} for another architecture.
Config read_config(const gguf::File& file);

}  // namespace owl3::model
