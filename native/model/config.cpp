#include "model/config.h"

#include <algorithm>

namespace owl3::model {
namespace {

constexpr const char* architecture_name = "mplugowl3";

// Far beyond any model of this family, and small enough that no product of two of them overflows 64 bits.
constexpr int64_t max_blocks = 1024, max_width = 1 << 17, max_mlp = 1 << 20, max_heads = 1024, max_head_dim = 1024;
constexpr int64_t max_context = 1 << 22, max_side = 4096, max_patch = 64, max_crop_tokens = 1 << 14;

[[noreturn]] void bad(const gguf::File& file, const std::string& what) {
  throw Error(ErrorCode::bad_model, file.path() + ": " + what);
}

struct Keys {
  const gguf::File& file;
  int32_t integer(const char* key, int64_t lo, int64_t hi) const {
    return static_cast<int32_t>(file.integer(std::string(architecture_name) + "." + key, lo, hi));
  }
  bool has(const char* key) const { return file.has(std::string(architecture_name) + "." + key); }
  float number(const char* key, double lo, double hi) const {
    return static_cast<float>(file.number(std::string(architecture_name) + "." + key, lo, hi));
  }
};

int32_t head_dim(const gguf::File& file, const char* what, int32_t hidden_size, int32_t num_heads) {
  if (hidden_size % num_heads != 0 || hidden_size / num_heads > max_head_dim)
    bad(file, std::string(what) + ": an embedding of " + std::to_string(hidden_size) + " can't be split over " +
                  std::to_string(num_heads) + " heads");
  return hidden_size / num_heads;
}

void read_three(const Keys& keys, const char* key, double lo, float out[3]) {
  const std::string name = std::string(architecture_name) + "." + key;
  const std::vector<double> values = keys.file.numbers(name, lo, 1e4);
  if (values.size() != 3) bad(keys.file, name + " must hold 3 numbers, it holds " + std::to_string(values.size()));
  std::transform(values.begin(), values.end(), out, [](double v) { return static_cast<float>(v); });
}

VisionConfig read_vision(const Keys& keys) {
  VisionConfig v;
  const int32_t read = keys.integer("vision.image_size", 1, max_side);  // pixels a side that patches cover
  v.crop_size = keys.has("vision.crop_size") ? keys.integer("vision.crop_size", 1, max_side) : read;
  v.patch_size = keys.integer("vision.patch_size", 1, max_patch);
  v.hidden_size = keys.integer("vision.embedding_length", 1, max_width);
  v.intermediate_size = keys.integer("vision.feed_forward_length", 1, max_mlp);
  v.num_layers = keys.integer("vision.block_count", 1, max_blocks);
  v.num_heads = keys.integer("vision.attention.head_count", 1, max_heads);
  v.layer_norm_eps = keys.number("vision.attention.layer_norm_epsilon", 1e-12, 0.1);
  read_three(keys, "vision.image_mean", -1e4, v.mean);
  read_three(keys, "vision.image_std", 1e-6, v.std);
  if (read % v.patch_size != 0)
    bad(keys.file, "mplugowl3.vision.image_size " + std::to_string(read) + " is no multiple of the patch size " +
                       std::to_string(v.patch_size));
  if (v.crop_size / v.patch_size * v.patch_size != read)
    bad(keys.file, "mplugowl3.vision.crop_size " + std::to_string(v.crop_size) + " is at odds with image_size " +
                       std::to_string(read) + ": patches of " + std::to_string(v.patch_size) + " cover " +
                       std::to_string(v.crop_size / v.patch_size * v.patch_size) + " pixels of it");
  if (v.crop_tokens() > max_crop_tokens)
    bad(keys.file, "a crop would have " + std::to_string(v.crop_tokens()) + " tokens, at most " +
                       std::to_string(max_crop_tokens) + " are supported");
  v.head_dim = head_dim(keys.file, "mplugowl3.vision.attention.head_count", v.hidden_size, v.num_heads);
  return v;
}

std::vector<int32_t> read_hyper_layers(const Keys& keys, int32_t num_layers) {
  const std::vector<int64_t> listed = keys.file.integers("mplugowl3.hyper_attention.blocks", 0, num_layers - 1);
  if (listed.empty()) bad(keys.file, "mplugowl3.hyper_attention.blocks is empty: no layer would see the pictures");
  for (size_t i = 1; i < listed.size(); i++)
    if (listed[i] <= listed[i - 1])
      bad(keys.file, "mplugowl3.hyper_attention.blocks must be ascending, without repeats");
  return {listed.begin(), listed.end()};
}

HyperKind read_hyper_kind(const Keys& keys) {
  if (!keys.has("hyper_attention.kind")) return HyperKind::fused;
  const std::string& name = keys.file.string("mplugowl3.hyper_attention.kind");
  for (const HyperKind kind : {HyperKind::fused, HyperKind::gated_head, HyperKind::gated_channel})
    if (name == hyper_kind_name(kind)) return kind;
  bad(keys.file,
      "mplugowl3.hyper_attention.kind must be fused, gated_head or gated_channel, it is '" + name.substr(0, 64) + "'");
}

/// The embedding's rows count the ids; what the tokenizer keys name must be among them.
int32_t read_vocab(const gguf::File& file) {
  const gguf::Tensor* embedding = file.find("token_embd.weight");
  if (embedding == nullptr) bad(file, "tensor token_embd.weight is missing");
  const int64_t rows = embedding->rows();
  if (rows < 1 || rows > INT32_MAX / 2)
    bad(file, "tensor token_embd.weight: impossible number of rows " + std::to_string(rows));
  if (file.has("tokenizer.ggml.tokens")) {
    const size_t tokens = file.strings("tokenizer.ggml.tokens").size();
    if (tokens == 0 || static_cast<int64_t>(tokens) > rows)
      bad(file, "tokenizer.ggml.tokens lists " + std::to_string(tokens) + " tokens for an embedding of " +
                    std::to_string(rows) + " rows");
  }
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.padding_token_id"})
    if (file.has(key)) file.integer(key, 0, rows - 1);
  return static_cast<int32_t>(rows);
}

}  // namespace

int32_t Config::hyper_index(int32_t i) const {
  const auto at = std::lower_bound(hyper_layers.begin(), hyper_layers.end(), i);
  return at != hyper_layers.end() && *at == i ? static_cast<int32_t>(at - hyper_layers.begin()) : -1;
}

Config read_config(const gguf::File& file) {
  const std::string& architecture = file.string("general.architecture");
  if (architecture != architecture_name)
    throw Error(ErrorCode::bad_model, file.path() + ": a model of architecture '" + architecture.substr(0, 64) +
                                          "', only mplugowl3 is supported");
  const Keys keys{file};
  Config c;
  if (file.has("general.name")) c.name = file.string("general.name");
  c.num_layers = keys.integer("block_count", 1, max_blocks);
  c.hidden_size = keys.integer("embedding_length", 2, max_width);
  c.intermediate_size = keys.integer("feed_forward_length", 1, max_mlp);
  c.num_heads = keys.integer("attention.head_count", 1, max_heads);
  c.num_kv_heads = keys.integer("attention.head_count_kv", 1, c.num_heads);
  c.context_length = keys.integer("context_length", 1, max_context);
  c.rms_norm_eps = keys.number("attention.layer_norm_rms_epsilon", 1e-12, 0.1);
  c.rope_theta = keys.number("rope.freq_base", 1, 1e12);
  c.head_dim = head_dim(file, "mplugowl3.attention.head_count", c.hidden_size, c.num_heads);
  if (c.head_dim % 2 != 0)
    bad(file, "a head of " + std::to_string(c.head_dim) + " values can't be rotated: it must be even");
  if (c.num_heads % c.num_kv_heads != 0)
    bad(file, "mplugowl3.attention.head_count " + std::to_string(c.num_heads) + " is no multiple of head_count_kv " +
                  std::to_string(c.num_kv_heads));
  c.hyper_layers = read_hyper_layers(keys, c.num_layers);
  c.hyper_kind = read_hyper_kind(keys);
  if (keys.has("hyper_attention.media_offset")) c.media_shift = keys.integer("hyper_attention.media_offset", 0, 1);
  c.vocab_size = read_vocab(file);
  c.vision = read_vision(keys);
  return c;
}

}  // namespace owl3::model
