// The model's weights: one struct a part, bound to the file's tensors by declaration (weights.cpp), each checked for
// type and shape as it is asked for. Matrices are [outputs, inputs]; notation as in config.h.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "gguf/gguf.h"
#include "model/config.h"
#include "model/stage.h"
#include "ops/backend.h"

namespace owl3::model {

/// f32 values in the backend's memory (norms, biases, positions).
struct Vector {
  ops::Backend::Buffer memory;
  const float* data() const { return static_cast<const float*>(memory.get()); }
};

struct LayerNormWeights {
  Vector weight;  // [n]
  Vector bias;    // [n]
};

struct LinearWeights {
  std::unique_ptr<ops::Matrix> weight;  // [n, k]
  Vector bias;                          // [n], or empty
};

/// The gate of a hyper layer.
struct GateWeights {
  ops::GateKind kind = ops::GateKind::none;
  Vector weight, bias;  // as ops::Gate says
  ops::Gate params() const { return {.kind = kind, .weight = weight.data(), .bias = bias.data()}; }
};

struct VisionLayer {
  LayerNormWeights ln1, ln2;       // [dv]
  LinearWeights q, k, v;           // [dv, dv]
  LinearWeights attn_out;          // [dv, dv]
  LinearWeights ffn_up, ffn_down;  // [mv, dv], [dv, mv]
};

struct VisionWeights {
  LinearWeights patch_embd;  // [dv, 3 * P * P]
  Vector position_embd;      // [T, dv]
  std::vector<VisionLayer> layers;
  LinearWeights projector_in;   // mm.0 [d, dv]
  LinearWeights projector_out;  // mm.2 [d, d], or empty where the projector is one Linear
};

struct LanguageLayer {
  Vector attn_norm;                          // [d]
  LinearWeights q;                           // [H * D, d]
  LinearWeights k, v;                        // [G * D, d]
  LinearWeights attn_out;                    // [d, H * D], no bias
  LinearWeights visual_kv;                   // [G * 2 * D, d], hyper layers only; rows [K | V] per KV head
  GateWeights gate;                          // hyper layers with two softmaxes only
  Vector key_shift, visual_key_shift;        // [G * D], see key_shift.h; the latter in hyper layers only
  Vector ffn_norm;                           // [d]
  LinearWeights ffn_gate, ffn_up, ffn_down;  // [m, d], [m, d], [d, m], no bias
};

struct Weights {
  VisionWeights vision;
  std::unique_ptr<ops::Matrix> token_embd;  // [V, d]
  std::vector<LanguageLayer> layers;
  Vector output_norm;                   // [d]
  std::unique_ptr<ops::Matrix> output;  // [V, d]; null when tied and on the same stage
  uint64_t bytes = 0;                   // memory of all of them
  std::vector<uint64_t> stage_bytes;    // and of each stage's
  uint64_t token_bytes = 0;             // of those that every pass through the language model reads
  bool quantised = false;  // whether any matrix of the language model is (decides the KV cache's default type)
  const ops::Matrix& output_matrix() const { return output ? *output : *token_embd; }
};

/// `plan`: shapes and sizes only, as the header tells them; nothing can be computed then.
enum class Load : uint8_t { weights, plan };

/// How far loading is, in bytes as the backends hold them; any thread may ask. Read `bytes` before `total`.
struct Loading {
  std::atomic<uint64_t> bytes = 0;  ///< handed to the backends so far; never falls, and ends at `total`
  std::atomic<uint64_t> total = 0;  ///< 0 until the file's header was read
};

struct LoadOptions {
  Load load = Load::weights;
  /// A backend that has all layers may keep them in files that begin with it; empty: none does.
  std::string copy_prefix = {};
  Loading* loading = nullptr;  ///< is told of the progress; null: nobody watches
};

/// Bytes of weights as a backend would hold them.
struct WeightSizes {
  uint64_t first = 0;   ///< the first stage's besides its layers
  uint64_t last = 0;    ///< the last one's, where it is another one than the first
  uint64_t output = 0;  ///< the same where it is the first one, too
  std::vector<uint64_t> layers;
  bool quantised = false;  ///< whether any matrix of the layers is
};
/// The default type of a KV cache: f16 halves the memory and the reads of decoding, but its rounding (2^-11) would be the
/// largest error of a model in float, so there it is f32 (see MODEL.md).
inline ops::KvType default_kv_type(bool quantised) {
  return quantised ? ops::KvType::f16 : ops::KvType::f32;
}

/// Reads them off the header. The matrices count for reserve(), as those of a plan do. Errors as load_weights.
WeightSizes weight_sizes(const gguf::File& file, const Config& config, ops::Backend& backend);

/// Binds all weights and loads them onto the stages' backends; pages of the file that a backend has copied are given
/// back to the system. Error{bad_model} naming file, tensor, what was expected and what was found.
Weights load_weights(const gguf::File& file, const Config& config, std::span<const Stage> stages,
                     const LoadOptions& options);

}  // namespace owl3::model
