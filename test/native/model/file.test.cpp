// Files that are no model of ours: each is refused with one sentence that names the key or tensor.
#include "model/model.h"
#include "support/harness.h"
#include "support/tiny_model.h"

using namespace owl3;
using test::TinyModel;

static std::string refusal(const std::function<void(TinyModel&)>& change, ErrorCode code = ErrorCode::bad_model,
                           model::HyperKind kind = model::HyperKind::fused) {
  TinyModel m(kind);
  change(m);
  const auto path = m.write();
  try {
    model::Model::open(*path, {std::make_shared<test::NaiveBackend>()});
  } catch (const Error& e) {
    CHECK_EQ(std::string(code_name(e.code)), code_name(code));
    CHECK(std::string(e.what()).find(*path) != std::string::npos);
    return e.what();
  }
  return "accepted";
}
constexpr model::HyperKind kinds[] = {model::HyperKind::fused, model::HyperKind::gated_head,
                                      model::HyperKind::gated_channel};
#define CHECK_HAS(text, part)                                                                            \
  do {                                                                                                   \
    const std::string text_ = text;                                                                      \
    if (text_.find(part) == std::string::npos) test::fail(__FILE__, __LINE__, text_ + " lacks " + part); \
  } while (0)

TEST("model file: the tiny model itself opens, and its config is what the keys say") {
  const auto path = TinyModel().write();
  const auto m = model::Model::open(*path, {std::make_shared<test::NaiveBackend>()});
  const model::Config& c = m->config();
  CHECK(c.name == "tiny" && c.num_layers == 3 && c.hidden_size == 16 && c.intermediate_size == 24 && c.num_heads == 4 &&
        c.num_kv_heads == 2 && c.head_dim == 4);
  CHECK(c.vocab_size == 40 && c.context_length == 256 && c.hyper_index(0) == 0 && c.hyper_index(1) == -1 &&
        c.hyper_index(2) == 1);
  CHECK(c.vision.crop_tokens() == 16 && c.vision.patch_values() == 12 && c.vision.head_dim == 4);
  CHECK(!m->weights().quantised && m->default_kv_type() == ops::KvType::f32);
}

TEST("model file: a step reads the language model without single embeddings, visual keys and values, and the tower") {
  const auto path = TinyModel().write();
  const auto m = model::Model::open(*path, {std::make_shared<test::NaiveBackend>()});
  const model::Config& c = m->config();
  const model::Weights& w = m->weights();
  uint64_t matrices = w.output_matrix().bytes, floats = static_cast<uint64_t>(c.hidden_size);
  for (const model::LanguageLayer& l : w.layers) {
    for (const model::LinearWeights* x : {&l.q, &l.k, &l.v, &l.attn_out, &l.ffn_gate, &l.ffn_up, &l.ffn_down})
      matrices += x->weight->bytes;
    floats += static_cast<uint64_t>(2 * c.hidden_size + c.num_heads * c.head_dim + 3 * c.kv_width());  // a key shift
    if (l.visual_kv.weight) floats += static_cast<uint64_t>(2 * c.kv_width());  // a bias, too small to matter
  }
  CHECK_EQ(w.token_bytes, matrices + floats * sizeof(float));
  CHECK(w.token_bytes < w.bytes);
}

TEST("model file: keys out of range, missing or at odds are refused by name") {
  for (const char* key :
       {"block_count", "embedding_length", "feed_forward_length", "attention.head_count", "attention.head_count_kv",
        "context_length", "vision.image_size", "vision.patch_size", "vision.embedding_length",
        "vision.feed_forward_length", "vision.block_count", "vision.attention.head_count"}) {
    CHECK_HAS(refusal([&](TinyModel& m) { m.integers(key, 0); }), key);
    CHECK_HAS(refusal([&](TinyModel& m) { m.integers(key, 4000000000u); }), key);
    CHECK_HAS(refusal([&](TinyModel& m) { m.drop_key(std::string("mplugowl3.") + key); }), key);
    CHECK_HAS(refusal([&](TinyModel& m) { m.text(std::string("mplugowl3.") + key, "x"); }), key);
  }
  for (const char* key : {"attention.layer_norm_rms_epsilon", "rope.freq_base", "vision.attention.layer_norm_epsilon"})
    for (double v : {0., -1., 1e30, double(NAN), double(INFINITY)})
      CHECK_HAS(refusal([&](TinyModel& m) { m.real(key, v); }), key);
  CHECK_HAS(refusal([](TinyModel& m) { m.integers("attention.head_count", 5); }), "5 heads");
  CHECK_HAS(
      refusal([](TinyModel& m) { m.integers("attention.head_count", 16), m.integers("attention.head_count_kv", 16); }),
      "even");
  CHECK_HAS(refusal([](TinyModel& m) { m.integers("attention.head_count_kv", 3); }), "no multiple");
  CHECK_HAS(refusal([](TinyModel& m) { m.integers("vision.attention.head_count", 5); }), "5 heads");
  CHECK_HAS(refusal([](TinyModel& m) { m.integers("vision.patch_size", 3); }), "multiple of the patch size 3");
  CHECK_HAS(refusal([](TinyModel& m) { m.integers("vision.image_size", 4096), m.integers("vision.patch_size", 1); }),
            "tokens");
}

TEST("model file: lists of the wrong length or order are refused") {
  CHECK_HAS(refusal([](TinyModel& m) { m.hyper({}); }), "hyper_attention.blocks");
  CHECK_HAS(refusal([](TinyModel& m) { m.hyper({2, 0}); }), "ascending");
  CHECK_HAS(refusal([](TinyModel& m) { m.hyper({1, 1}); }), "ascending");
  CHECK_HAS(refusal([](TinyModel& m) { m.hyper({3}); }), "hyper_attention.blocks");
  CHECK_HAS(refusal([](TinyModel& m) { m.hyper({-1}); }), "hyper_attention.blocks");
  CHECK_HAS(refusal([](TinyModel& m) { m.reals("vision.image_mean", {0.5, 0.5}); }), "image_mean");
  CHECK_HAS(refusal([](TinyModel& m) { m.reals("vision.image_std", {0.5, 0.5, 0.}); }), "image_std");
}

TEST("model file: tokenizer keys must fit the embedding's rows") {
  const auto tokens = [](size_t n) {
    return [n](TinyModel& m) {
      m.set("tokenizer.ggml.tokens", {gguf::Kind::string, true}, std::vector<std::string>(n, "t"));
    };
  };
  CHECK_HAS(refusal(tokens(41)), "41 tokens for an embedding of 40 rows");
  CHECK_EQ(refusal(tokens(40)), "accepted");
  CHECK_HAS(refusal([](TinyModel& m) { m.set("tokenizer.ggml.eos_token_id", {gguf::Kind::u32}, uint64_t{40}); }),
            "eos_token_id");
}

TEST("model file: tensors missing, of another shape or type are refused by name") {
  for (const model::HyperKind kind : kinds)
    for (const gguf::TensorSpec& t : TinyModel(kind).tensors) {
      CHECK_HAS(refusal([&](TinyModel& m) { m.drop_tensor(t.name); }, ErrorCode::bad_model, kind), t.name);
      std::vector<int64_t> shape = t.shape;
      shape.back() += 1;
      const std::string text = refusal([&](TinyModel& m) { m.tensor(t.name, shape); }, ErrorCode::bad_model, kind);
      CHECK_HAS(text, t.name == "token_embd.weight" ? "accepted" : t.name);  // its rows are what they are
    }
  CHECK_HAS(refusal([](TinyModel& m) {
              m.tensor("blk.1.ffn_down.weight", {16, 24});
            }),
            "expected shape [24, 16], found [16, 24]");
  CHECK_HAS(refusal([](TinyModel& m) {
              m.tensor("v.position_embd.weight", {12, 16}, DType::f32);
              m.integers("embedding_length", 32);
            }),
            "[");
  CHECK_HAS(refusal([](TinyModel& m) { m.text("general.architecture", "llama"); }, ErrorCode::bad_model), "llama");
}

TEST("model file: vectors may be half floats but not quantised, the patch kernel may have four dimensions") {
  CHECK_EQ(refusal([](TinyModel& m) { m.tensor("blk.0.attn_norm.weight", {16}, DType::bf16); }), "accepted");
  CHECK_EQ(refusal([](TinyModel& m) { m.tensor("v.patch_embd.weight", {2, 2, 3, 12}, DType::f16); }), "accepted");
  CHECK_HAS(refusal([](TinyModel& m) { m.tensor("v.patch_embd.weight", {4, 1, 3, 12}); }), "v.patch_embd.weight");
  TinyModel wide;  // 32 wide, so that a quantised norm is possible at all
  CHECK_HAS(refusal([](TinyModel& m) { m.tensor("mm.0.bias", {32}, DType::q8_0); }), "mm.0.bias");
}

TEST("model file: the keys of the architecture before 241101 are read, and are at their defaults when absent") {
  for (const model::HyperKind kind : kinds) {
    const auto path = TinyModel(kind).write();
    const auto m = model::Model::open(*path, {std::make_shared<test::NaiveBackend>()});
    const model::Config& c = m->config();
    const bool gated = kind != model::HyperKind::fused;
    CHECK(c.hyper_kind == kind && c.media_shift == (gated ? 1 : 0) && c.projects_twice() == !gated);
    CHECK(c.vision.crop_size == (gated ? 9 : 8) && c.vision.crop_tokens() == 16);
    for (const int32_t i : {0, 1, 2}) {
      const model::GateWeights& gate = m->weights().layers[static_cast<size_t>(i)].gate;
      CHECK((gate.kind != ops::GateKind::none) == (gated && i != 1));
      CHECK((gate.bias.data() != nullptr) == (kind == model::HyperKind::gated_head && i != 1));
    }
  }
}

TEST("model file: kinds, offsets, crop sizes and gates at odds are refused") {
  using model::HyperKind;
  const auto changed = [](HyperKind kind, const std::function<void(TinyModel&)>& change) {
    return refusal(change, ErrorCode::bad_model, kind);
  };
  for (const HyperKind kind : kinds) {
    for (const char* name : {"", "Fused", "gated", "gated_layer"})
      CHECK_HAS(changed(kind, [&](TinyModel& m) { m.text("mplugowl3.hyper_attention.kind", name); }),
                "hyper_attention.kind must be fused, gated_head or gated_channel");
    CHECK_HAS(changed(kind, [](TinyModel& m) { m.integers("hyper_attention.kind", 1); }), "hyper_attention.kind");
    for (const uint64_t offset : {uint64_t{2}, uint64_t{4000000000}})
      CHECK_HAS(changed(kind, [&](TinyModel& m) { m.integers("hyper_attention.media_offset", offset); }),
                "hyper_attention.media_offset");
    for (const uint64_t side : {1, 7, 10, 384})
      CHECK_HAS(changed(kind, [&](TinyModel& m) { m.integers("vision.crop_size", side); }),
                "at odds with image_size 8");
    for (const uint64_t side : {uint64_t{0}, uint64_t{5000}, uint64_t{4294967295}})
      CHECK_HAS(changed(kind, [&](TinyModel& m) { m.integers("vision.crop_size", side); }), "vision.crop_size");
    CHECK_EQ(changed(kind, [](TinyModel& m) { m.integers("vision.crop_size", 8); }), "accepted");
  }
  // A gate without its kind would be computed as if it were not there.
  CHECK_HAS(changed(HyperKind::gated_head, [](TinyModel& m) { m.drop_key("mplugowl3.hyper_attention.kind"); }),
            "mm.2.weight");
  CHECK_HAS(changed(HyperKind::fused, [](TinyModel& m) { m.tensor("blk.2.attn_v_gate.weight", {16}); }),
            "blk.2.attn_v_gate.weight is a gate");
  CHECK_HAS(changed(HyperKind::gated_channel, [](TinyModel& m) { m.linear("blk.0.attn_v_gate", 4, 4); }),
            "expected shape [16], found [4, 4]");
  for (const HyperKind kind : {HyperKind::gated_head, HyperKind::gated_channel})
    for (const float value : {INFINITY, -INFINITY, NAN})
      CHECK_HAS(changed(kind, [&](TinyModel& m) { m.fill("2.attn_v_gate.weight", value); }),
                "blk.2.attn_v_gate.weight holds a value that is not finite");
  CHECK_HAS(changed(HyperKind::gated_head, [](TinyModel& m) { m.fill("0.attn_v_gate.bias", NAN); }),
            "blk.0.attn_v_gate.bias holds a value that is not finite");
  CHECK_EQ(
      changed(HyperKind::gated_channel, [](TinyModel& m) { m.tensor("blk.0.attn_v_gate.weight", {16}, DType::bf16); }),
      "accepted");
  // A quantised gate: heads of 32 values, since blocks have as many.
  CHECK_HAS(changed(HyperKind::gated_channel,
                    [](TinyModel& m) {
                      m.integers("attention.head_count", 1), m.integers("attention.head_count_kv", 1);
                      m.integers("embedding_length", 32), m.integers("block_count", 1), m.hyper({0});
                      m.linear("mm.0", 32, 12), m.tensor("token_embd.weight", {32, 40});
                      m.tensor("output_norm.weight", {32}), m.tensor("blk.0.attn_norm.weight", {32});
                      for (const char* n : {"q", "k", "v"}) m.linear(std::string("blk.0.attn_") + n, 32, 32);
                      m.tensor("blk.0.attn_output.weight", {32, 32}), m.linear("blk.0.attn_visual_kv", 64, 32);
                      m.tensor("blk.0.attn_v_gate.weight", {32}, DType::q8_0);
                    }),
            "blk.0.attn_v_gate.weight expected F32, F16 or BF16, found Q8_0");
}
