// A tiny random model as a GGUF file, with keys and tensors that a test may change or leave out.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gguf/writer.h"
#include "model/gate.h"
#include "support/naive_backend.h"

namespace owl3::test {

struct TinyModel {
  std::vector<gguf::Entry> keys;
  std::vector<gguf::TensorSpec> tensors;
  std::vector<std::pair<std::string, float>> fixed;  // ends of names and their values

  TinyModel() {
    text("general.architecture", "mplugowl3");
    text("general.name", "tiny");
    integers("block_count", 3), integers("context_length", 256), integers("embedding_length", 16);
    integers("feed_forward_length", 24), integers("attention.head_count", 4), integers("attention.head_count_kv", 2);
    real("attention.layer_norm_rms_epsilon", 1e-6), real("rope.freq_base", 10000);
    hyper({0, 2});
    integers("vision.image_size", 8), integers("vision.patch_size", 2), integers("vision.embedding_length", 12);
    integers("vision.feed_forward_length", 20), integers("vision.block_count", 2),
        integers("vision.attention.head_count", 3);
    real("vision.attention.layer_norm_epsilon", 1e-6);
    reals("vision.image_mean", {0.5, 0.5, 0.5}), reals("vision.image_std", {0.5, 0.5, 0.5});
    linear("v.patch_embd", 12, 12);
    tensor("v.position_embd.weight", {12, 16});
    for (const std::string b : {"v.blk.0.", "v.blk.1."}) {
      for (const char* n : {"ln1", "ln2"}) tensor(b + n + ".weight", {12}), tensor(b + n + ".bias", {12});
      for (const char* n : {"attn_q", "attn_k", "attn_v", "attn_out"}) linear(b + n, 12, 12);
      linear(b + "ffn_up", 20, 12), linear(b + "ffn_down", 12, 20);
    }
    linear("mm.0", 16, 12), linear("mm.2", 16, 16);
    tensor("token_embd.weight", {16, 40});
    for (int i = 0; i < 3; i++) {
      const std::string b = "blk." + std::to_string(i) + ".";
      tensor(b + "attn_norm.weight", {16}), tensor(b + "ffn_norm.weight", {16});
      linear(b + "attn_q", 16, 16), linear(b + "attn_k", 8, 16), linear(b + "attn_v", 8, 16);
      tensor(b + "attn_output.weight", {16, 16});
      if (i != 1) linear(b + "attn_visual_kv", 16, 16);
      tensor(b + "ffn_gate.weight", {16, 24}), tensor(b + "ffn_up.weight", {16, 24}),
          tensor(b + "ffn_down.weight", {24, 16});
    }
    tensor("output_norm.weight", {16});
  }

  /// The same model as those before 241101 are: a gate, one Linear as projector, a media offset of 1, and crops of 9 pixels
  /// a side of which 8 are read. Fused: as it is.
  explicit TinyModel(model::HyperKind kind) : TinyModel() {
    if (kind == model::HyperKind::fused) return;
    text("mplugowl3.hyper_attention.kind", model::hyper_kind_name(kind));
    integers("hyper_attention.media_offset", 1), integers("vision.crop_size", 9);
    drop_tensor("mm.2.weight"), drop_tensor("mm.2.bias");
    for (const char* b : {"blk.0.attn_v_gate", "blk.2.attn_v_gate"})
      if (kind == model::HyperKind::gated_head)
        linear(b, 4, 4);
      else
        tensor(std::string(b) + ".weight", {16});
  }

  void text(const std::string& key, const std::string& v) { set(key, {gguf::Kind::string}, v); }
  void integers(const std::string& key, uint64_t v) { set("mplugowl3." + key, {gguf::Kind::u32}, v); }
  void real(const std::string& key, double v) { set("mplugowl3." + key, {gguf::Kind::f32}, v); }
  void reals(const std::string& key, std::vector<double> v) {
    set("mplugowl3." + key, {gguf::Kind::f32, true}, std::move(v));
  }
  void hyper(std::vector<int64_t> v) { set("mplugowl3.hyper_attention.blocks", {gguf::Kind::i32, true}, std::move(v)); }
  void set(const std::string& key, gguf::Type type, gguf::Value v) {
    drop_key(key);
    keys.push_back({key, type, std::move(v)});
  }
  void drop_key(const std::string& key) {
    std::erase_if(keys, [&](const gguf::Entry& e) { return e.key == key; });
  }
  void tensor(const std::string& name, std::vector<int64_t> shape, DType type = DType::f32) {
    drop_tensor(name);
    tensors.push_back({name, type, std::move(shape)});
  }
  void linear(const std::string& name, int64_t out, int64_t in) {
    tensor(name + ".weight", {in, out}), tensor(name + ".bias", {out});
  }
  void drop_tensor(const std::string& name) {
    std::erase_if(tensors, [&](const gguf::TensorSpec& t) { return t.name == name; });
  }
  /// All values of the tensors whose name ends so.
  void fill(const std::string& end, float value) { fixed.emplace_back(end, value); }

  /// Writes it with fixed random values; the file goes with the returned handle.
  std::shared_ptr<const std::string> write() const {
    static int count = 0;
    std::shared_ptr<const std::string> path(
        new std::string("/tmp/owl3-tiny-" + std::to_string(getpid()) + "-" + std::to_string(count++) + ".gguf"),
        [](const std::string* p) {
          std::remove(p->c_str());
          delete p;
        });
    gguf::Writer writer(*path, keys, tensors);
    writer.begin();
    uint32_t state = 7;
    for (size_t i = 0; i < tensors.size(); i++) {
      int64_t n = 1;
      for (int64_t dim : tensors[i].shape) n *= dim;
      std::vector<float> values(static_cast<size_t>(n));
      const float base =
          tensors[i].name.find("norm.weight") != std::string::npos || tensors[i].name.find(".ln") != std::string::npos
              ? 1.f
              : 0.f;
      for (float& v : values) {
        state = state * 1664525 + 1013904223;
        v = base + (static_cast<float>(state >> 8) / 8388608.f - 1.f) * 0.5f;
      }
      for (const auto& [end, value] : fixed)
        if (tensors[i].name.ends_with(end)) std::fill(values.begin(), values.end(), value);
      std::vector<char> packed(writer.bytes(i));
      gguf::quantize_row(tensors[i].type, values.data(), packed.data(), n);
      writer.write(i, 0, packed.data(), packed.size());
    }
    writer.finish();
    return path;
  }
};

}  // namespace owl3::test
