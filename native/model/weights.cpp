#include "model/weights.h"

namespace owl3::model {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string s = "[";
  for (size_t i = 0; i < shape.size(); i++) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + "]";
}

bool is_float(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16;
}

/// Finds tensors, checks them and moves them into the backend.
class Binder {
 public:
  Binder(const gguf::File& file, ops::Backend& backend) : file_(file), backend_(backend) {}
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
  std::unique_ptr<ops::Matrix> matrix(const std::string& name, int64_t n, int64_t k) {
    return load(find(name, {k, n}), n, k);
  }

  /// n values of a float type, as f32.
  Vector vector(const std::string& name, int64_t n) { return values(find(name, {n}), n); }

  LinearWeights linear(const std::string& name, int64_t n, int64_t k, bool bias) {
    LinearWeights w;
    w.weight = matrix(name + ".weight", n, k);
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
    const std::vector<int64_t> shape =
        flat ? std::vector<int64_t>{c.patch_values(), c.hidden} : std::vector<int64_t>{c.patch, c.patch, 3, c.hidden};
    const gguf::Tensor& found = find(name + ".weight", shape);
    if (!flat && !is_float(found.type)) fail(found.name, "expected F32, F16 or BF16, found " + type_name(found));
    LinearWeights w;
    w.weight = load(found, c.hidden, c.patch_values());
    w.bias = vector(name + ".bias", c.hidden);
    return w;
  }

  Vector table(const std::string& name, int64_t rows, int64_t cols) {
    return values(find(name, {cols, rows}), rows * cols);
  }

 private:
  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    throw Error(ErrorCode::bad_model, file_.path() + ": tensor " + name + " " + what);
  }
  static std::string type_name(const gguf::Tensor& t) { return gguf::format(t.type).name; }

  std::unique_ptr<ops::Matrix> load(const gguf::Tensor& t, int64_t n, int64_t k) {
    if (!is_float(t.type)) quantised_ = true;
    // Vision, projector and visual keys and values see whole crops only.
    const bool crops =
        t.name.starts_with("v.") || t.name.starts_with("mm.") || t.name.ends_with("attn_visual_kv.weight");
    const ops::MatrixUse use = crops ? ops::MatrixUse::bulk : ops::MatrixUse::stream;
    std::unique_ptr<ops::Matrix> m = backend_.load_matrix({t.type, n, k, file_.data(t), use});
    if (!backend_.reads_host(*m)) file_.release(t);
    bytes_ += m->bytes;
    return m;
  }
  Vector values(const gguf::Tensor& t, int64_t n) {
    if (!is_float(t.type)) fail(t.name, "expected F32, F16 or BF16, found " + type_name(t));
    std::vector<float> host(static_cast<size_t>(n));
    gguf::dequantize_row(t.type, file_.data(t), host.data(), n);
    file_.release(t);
    const size_t size = host.size() * sizeof(float);
    Vector v{backend_.allocate(size)};
    backend_.copy_to_device(v.memory.get(), host.data(), size);
    bytes_ += size;
    return v;
  }

  const gguf::File& file_;
  ops::Backend& backend_;
  uint64_t bytes_ = 0;
  bool quantised_ = false;
};

VisionWeights bind_vision(Binder& bind, const Config& config) {
  const VisionConfig& c = config.vision;
  VisionWeights w;
  w.patch_embd = bind.patch_embedding("v.patch_embd", c);
  w.position_embd = bind.table("v.position_embd.weight", c.tokens(), c.hidden);
  for (int32_t i = 0; i < c.blocks; i++) {
    const std::string blk = "v.blk." + std::to_string(i) + ".";
    VisionLayer& l = w.layers.emplace_back();
    l.ln1 = bind.layer_norm(blk + "ln1", c.hidden);
    l.q = bind.linear(blk + "attn_q", c.hidden, c.hidden, true);
    l.k = bind.linear(blk + "attn_k", c.hidden, c.hidden, true);
    l.v = bind.linear(blk + "attn_v", c.hidden, c.hidden, true);
    l.attn_out = bind.linear(blk + "attn_out", c.hidden, c.hidden, true);
    l.ln2 = bind.layer_norm(blk + "ln2", c.hidden);
    l.ffn_up = bind.linear(blk + "ffn_up", c.mlp, c.hidden, true);
    l.ffn_down = bind.linear(blk + "ffn_down", c.hidden, c.mlp, true);
  }
  w.projector_in = bind.linear("mm.0", config.hidden, c.hidden, true);
  w.projector_out = bind.linear("mm.2", config.hidden, config.hidden, true);
  return w;
}

LanguageLayer bind_layer(Binder& bind, const Config& c, int32_t i) {
  const std::string blk = "blk." + std::to_string(i) + ".";
  const int64_t d = c.hidden, q = static_cast<int64_t>(c.heads) * c.head_dim, kv = c.kv_width();
  LanguageLayer l;
  l.attn_norm = bind.vector(blk + "attn_norm.weight", d);
  l.q = bind.linear(blk + "attn_q", q, d, true);
  l.k = bind.linear(blk + "attn_k", kv, d, true);
  l.v = bind.linear(blk + "attn_v", kv, d, true);
  l.attn_out = bind.linear(blk + "attn_output", d, q, false);
  if (c.hyper_index(i) >= 0) l.visual_kv = bind.linear(blk + "attn_visual_kv", 2 * kv, d, true);
  l.ffn_norm = bind.vector(blk + "ffn_norm.weight", d);
  l.ffn_gate = bind.linear(blk + "ffn_gate", c.mlp, d, false);
  l.ffn_up = bind.linear(blk + "ffn_up", c.mlp, d, false);
  l.ffn_down = bind.linear(blk + "ffn_down", d, c.mlp, false);
  return l;
}

}  // namespace

Weights load_weights(const gguf::File& file, const Config& c, ops::Backend& backend) {
  Binder bind(file, backend);
  Weights w;
  w.vision = bind_vision(bind, c);
  Binder language(file, backend);
  // The largest first: while a weight is repacked, its pages of the file stand beside it.
  w.token_embd = language.matrix("token_embd.weight", c.vocab, c.hidden);
  if (file.find("output.weight") != nullptr) w.output = language.matrix("output.weight", c.vocab, c.hidden);
  for (int32_t i = 0; i < c.blocks; i++) w.layers.push_back(bind_layer(language, c, i));
  w.output_norm = language.vector("output_norm.weight", c.hidden);
  w.bytes = bind.bytes() + language.bytes();
  w.token_bytes = language.bytes() - (w.output ? w.token_embd->bytes : 0);  // single rows of embeddings
  for (const LanguageLayer& l : w.layers) {
    if (l.visual_kv.weight) w.token_bytes -= l.visual_kv.weight->bytes;
  }
  w.quantised = language.quantised();
  return w;
}

}  // namespace owl3::model
