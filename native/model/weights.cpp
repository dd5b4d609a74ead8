#include "model/weights.h"

#include <algorithm>
#include <cmath>

#include "model/key_shift.h"

namespace owl3::model {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string s = "[";
  for (size_t i = 0; i < shape.size(); i++) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + "]";
}

/// Finds tensors, checks them and moves them into the backend.
class Binder {
 public:
  Binder(const gguf::File& file, ops::Backend& backend, Load load, Loading* loading = nullptr)
      : file_(file), backend_(backend), load_(load), loading_(loading) {}
  uint64_t bytes() const { return bytes_; }
  bool quantised() const { return quantised_; }

  const gguf::Tensor& find(const std::string& name, const std::vector<int64_t>& shape) const {
    const gguf::Tensor* t = file_.find(name);
    if (t == nullptr) fail(name, "is missing; expected shape " + shape_text(shape));
    std::vector<int64_t> found = t->shape;
    while (found.size() > shape.size() && found.back() == 1) found.pop_back();
    if (found != shape) fail(name, "expected shape " + shape_text(shape) + ", found " + shape_text(t->shape));
    return *t;
  }

  /// A matrix of n outputs and k inputs (GGUF shape [k, n]) of any type.
  std::unique_ptr<ops::Matrix> matrix(const std::string& name, int64_t n, int64_t k, ops::MatrixUse use) {
    return load(find(name, {k, n}), n, k, use);
  }

  /// n values of a float type, as f32.
  Vector vector(const std::string& name, int64_t n) { return values(find(name, {n})); }
  /// The same on the host; empty without values.
  std::vector<float> host(const std::string& name, int64_t n) const { return host(find(name, {n})); }
  /// Moves n values into the backend.
  Vector loaded(const std::vector<float>& host, int64_t n) {
    const size_t size = static_cast<size_t>(n) * sizeof(float);
    Vector v;
    if (load_ == Load::weights) {
      v.memory = backend_.allocate(size);
      backend_.copy_to_device(v.memory.get(), host.data(), size);
    }
    count(backend_.allocation_bytes(size));
    return v;
  }

  LinearWeights linear(const std::string& name, int64_t n, int64_t k, ops::MatrixUse use, bool bias = true) {
    LinearWeights w;
    w.weight = matrix(name + ".weight", n, k, use);
    if (bias) w.bias = vector(name + ".bias", n);
    return w;
  }
  LayerNormWeights layer_norm(const std::string& name, int64_t n) {
    return {vector(name + ".weight", n), vector(name + ".bias", n)};
  }

  /// A convolution of stride = kernel [dv, 3, P, P] as the matrix [dv, 3 * P * P] that it is; stored flat or not.
  LinearWeights patch_embedding(const std::string& name, const VisionConfig& c) {
    const gguf::Tensor* t = file_.find(name + ".weight");
    const bool flat = t != nullptr && t->shape.size() <= 2;
    const std::vector<int64_t> shape = flat ? std::vector<int64_t>{c.patch_values(), c.hidden_size}
                                            : std::vector<int64_t>{c.patch_size, c.patch_size, 3, c.hidden_size};
    const gguf::Tensor& found = find(name + ".weight", shape);
    if (!flat && gguf::quantised(found.type)) fail(found.name, "expected F32, F16 or BF16, found " + type_name(found));
    LinearWeights w;
    w.weight = load(found, c.hidden_size, c.patch_values(), ops::MatrixUse::bulk);
    w.bias = vector(name + ".bias", c.hidden_size);
    return w;
  }

  /// The gate of a hyper layer. A file whose hyper layers have none may not hold one.
  GateWeights gate(const std::string& name, const GateShape& shape) {
    if (shape.kind == HyperKind::fused) {
      if (file_.find(name + ".weight") != nullptr)
        fail(name + ".weight", "is a gate, and mplugowl3.hyper_attention.kind says that this model has none");
      return {};
    }
    GateWeights gate;
    gate.kind = shape.ops_kind();
    const auto finite = [&](const gguf::Tensor& t, std::span<const float> values) {
      if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); }))
        fail(t.name, "holds a value that is not finite");
    };
    gate.weight = values(find(name + ".weight", shape.weight()), [&](const gguf::Tensor& t, std::vector<float>& host) {
      finite(t, host);
      host = gate_weight(shape, host);
    });
    if (shape.has_bias()) gate.bias = values(find(name + ".bias", {shape.head_dim}), finite);
    return gate;
  }

  Vector table(const std::string& name, int64_t rows, int64_t cols) { return values(find(name, {cols, rows})); }

 private:
  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    throw Error(ErrorCode::bad_model, file_.path() + ": tensor " + name + " " + what);
  }
  void count(uint64_t bytes) {
    bytes_ += bytes;
    if (loading_ != nullptr) loading_->bytes += bytes;
  }
  static std::string type_name(const gguf::Tensor& t) { return gguf::format(t.type).name; }

  std::unique_ptr<ops::Matrix> load(const gguf::Tensor& t, int64_t n, int64_t k, ops::MatrixUse use) {
    if (gguf::quantised(t.type)) quantised_ = true;
    const void* data = load_ == Load::plan ? nullptr : file_.data(t);
    std::unique_ptr<ops::Matrix> m =
        backend_.load_matrix({.type = t.type, .rows = n, .cols = k, .data = data, .use = use, .offset = t.offset});
    if (data != nullptr && !backend_.reads_host(*m)) file_.release(t);
    count(m->bytes);
    return m;
  }
  std::vector<float> host(const gguf::Tensor& t) const {
    if (gguf::quantised(t.type)) fail(t.name, "expected F32, F16 or BF16, found " + type_name(t));
    if (load_ == Load::plan) return {};
    const int64_t n = t.rows() * t.shape[0];
    std::vector<float> host(static_cast<size_t>(n));
    gguf::dequantize_row(t.type, file_.data(t), host.data(), n);
    file_.release(t);
    return host;
  }
  /// A tensor's values as f32, after `change(tensor, values)`.
  template <class Change>
  Vector values(const gguf::Tensor& t, Change change) {
    std::vector<float> values = host(t);
    if (load_ != Load::plan) change(t, values);
    return loaded(values, t.rows() * t.shape[0]);
  }

  Vector values(const gguf::Tensor& t) {
    return values(t, [](const gguf::Tensor&, std::vector<float>&) {});
  }

  const gguf::File& file_;
  ops::Backend& backend_;
  Load load_;
  Loading* loading_;
  uint64_t bytes_ = 0;
  bool quantised_ = false;
};

VisionWeights bind_vision(Binder& bind, const Config& config) {
  const VisionConfig& c = config.vision;
  const ops::MatrixUse use = ops::MatrixUse::bulk;
  VisionWeights w;
  w.patch_embd = bind.patch_embedding("v.patch_embd", c);
  w.position_embd = bind.table("v.position_embd.weight", c.crop_tokens(), c.hidden_size);
  for (int32_t i = 0; i < c.num_layers; i++) {
    const std::string blk = "v.blk." + std::to_string(i) + ".";
    VisionLayer& l = w.layers.emplace_back();
    l.ln1 = bind.layer_norm(blk + "ln1", c.hidden_size);
    l.q = bind.linear(blk + "attn_q", c.hidden_size, c.hidden_size, use);
    l.k = bind.linear(blk + "attn_k", c.hidden_size, c.hidden_size, use);
    l.v = bind.linear(blk + "attn_v", c.hidden_size, c.hidden_size, use);
    l.attn_out = bind.linear(blk + "attn_out", c.hidden_size, c.hidden_size, use);
    l.ln2 = bind.layer_norm(blk + "ln2", c.hidden_size);
    l.ffn_up = bind.linear(blk + "ffn_up", c.intermediate_size, c.hidden_size, use);
    l.ffn_down = bind.linear(blk + "ffn_down", c.hidden_size, c.intermediate_size, use);
  }
  w.projector_in = bind.linear("mm.0", config.hidden_size, c.hidden_size, use);
  if (config.projects_twice()) w.projector_out = bind.linear("mm.2", config.hidden_size, config.hidden_size, use);
  return w;
}

LanguageLayer bind_layer(Binder& bind, const Config& c, int32_t i) {
  const std::string blk = "blk." + std::to_string(i) + ".";
  const int64_t d = c.hidden_size, q = static_cast<int64_t>(c.num_heads) * c.head_dim, kv = c.kv_width();
  const ops::MatrixUse use = ops::MatrixUse::stream;
  constexpr bool bias = true;
  LanguageLayer l;
  l.attn_norm = bind.vector(blk + "attn_norm.weight", d);
  l.q = bind.linear(blk + "attn_q", q, d, use);
  l.k = bind.linear(blk + "attn_k", kv, d, use);
  l.v = bind.linear(blk + "attn_v", kv, d, use);
  l.attn_out = bind.linear(blk + "attn_output", d, q, use, !bias);
  const std::vector<float> key_bias = bind.host(blk + "attn_k.bias", kv);
  std::vector<float> visual_bias;
  const bool one_softmax = c.hyper_kind == HyperKind::fused;
  if (c.hyper_index(i) >= 0) {
    l.visual_kv = bind.linear(blk + "attn_visual_kv", 2 * kv, d, ops::MatrixUse::bulk);
    l.gate = bind.gate(blk + "attn_v_gate", c.gate_shape());
    visual_bias = visual_key_bias(c, bind.host(blk + "attn_visual_kv.bias", 2 * kv));
    if (!one_softmax) l.visual_key_shift = bind.loaded(key_shift(c, visual_bias, {}), kv);
  }
  l.key_shift = bind.loaded(key_shift(c, key_bias, one_softmax ? visual_bias : std::vector<float>{}), kv);
  if (one_softmax) l.visual_key_shift = l.key_shift;
  l.ffn_norm = bind.vector(blk + "ffn_norm.weight", d);
  l.ffn_gate = bind.linear(blk + "ffn_gate", c.intermediate_size, d, use, !bias);
  l.ffn_up = bind.linear(blk + "ffn_up", c.intermediate_size, d, use, !bias);
  l.ffn_down = bind.linear(blk + "ffn_down", d, c.intermediate_size, use, !bias);
  return l;
}

std::unique_ptr<ops::Matrix> bind_embedding(Binder& bind, const Config& c) {
  return bind.matrix("token_embd.weight", c.vocab_size, c.hidden_size, ops::MatrixUse::logits);
}

/// The output, which is null where it is the embedding of the same stage.
std::unique_ptr<ops::Matrix> bind_output(Binder& bind, const gguf::File& file, const Config& c, bool has_embedding) {
  const bool tied = file.find("output.weight") == nullptr;
  if (tied && has_embedding) return nullptr;
  return bind.matrix(tied ? "token_embd.weight" : "output.weight", c.vocab_size, c.hidden_size, ops::MatrixUse::logits);
}
Vector bind_output_norm(Binder& bind, const Config& c) {
  return bind.vector("output_norm.weight", c.hidden_size);
}

}  // namespace

WeightSizes weight_sizes(const gguf::File& file, const Config& c, ops::Backend& backend) {
  const auto bytes = [&](auto bound) {
    Binder bind(file, backend, Load::plan);
    bound(bind);
    return bind.bytes();
  };
  WeightSizes sizes;
  sizes.first = bytes([&](Binder& bind) {
    bind_vision(bind, c);
    bind_embedding(bind, c);
  });
  for (const bool same : {false, true})
    (same ? sizes.output : sizes.last) = bytes([&](Binder& bind) {
      bind_output(bind, file, c, same);
      bind_output_norm(bind, c);
    });
  for (int32_t i = 0; i < c.num_layers; i++)
    sizes.layers.push_back(bytes([&](Binder& bind) {
      bind_layer(bind, c, i);
      sizes.quantised = sizes.quantised || bind.quantised();
    }));
  return sizes;
}

Weights load_weights(const gguf::File& file, const Config& c, std::span<const Stage> stages,
                     const LoadOptions& options) {
  const auto [load, copy_prefix, loading] = options;
  const Stage &first = stages.front(), &last = stages.back();
  if (loading != nullptr) loading->total = load_weights(file, c, stages, {.load = Load::plan}).bytes;
  const bool copied = stages.size() == 1 && load == Load::weights && !copy_prefix.empty();
  if (copied) first.backend->begin_load({.prefix = copy_prefix, .source = file.header_hash()});
  Weights w;
  Binder vision(file, *first.backend, load, loading);
  w.vision = bind_vision(vision, c);
  w.bytes = vision.bytes();
  for (const Stage& stage : stages) {
    Binder bind(file, *stage.backend, load, loading);
    // The largest first: while a weight is repacked, its pages of the file stand beside it.
    if (&stage == &first) w.token_embd = bind_embedding(bind, c);
    if (&stage == &last) {
      w.output = bind_output(bind, file, c, &last == &first);
      w.output_norm = bind_output_norm(bind, c);
    }
    for (int32_t i = stage.first_layer; i < stage.first_layer + stage.layers; i++)
      w.layers.push_back(bind_layer(bind, c, i));
    w.bytes += bind.bytes();
    w.stage_bytes.push_back(bind.bytes() + (&stage == &first ? vision.bytes() : 0));
    w.quantised = w.quantised || bind.quantised();
  }
  file.check_intact();  // before a copy of the weights gets its name
  file.release();
  if (copied) first.backend->end_load();
  w.token_bytes = w.bytes - vision.bytes() - (w.output ? w.token_embd->bytes : 0);  // single rows of embeddings
  for (const LanguageLayer& l : w.layers) {
    if (l.visual_kv.weight) w.token_bytes -= l.visual_kv.weight->bytes;
  }
  return w;
}

}  // namespace owl3::model
