// Files that are no model of ours: each is refused with one sentence that names the key or tensor.
#include "model/model.h"
#include "support/harness.h"
#include "support/tiny_model.h"

using namespace owl3;
using test::TinyModel;

static std::string refusal(const std::function<void(TinyModel&)>& change, ErrorCode code = ErrorCode::bad_model) {
  TinyModel m;
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
    floats += static_cast<uint64_t>(2 * c.hidden_size + c.num_heads * c.head_dim + 2 * c.kv_width());
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
  for (const gguf::TensorSpec& t : TinyModel().tensors) {
    CHECK_HAS(refusal([&](TinyModel& m) { m.drop_tensor(t.name); }), t.name);
    std::vector<int64_t> shape = t.shape;
    shape.back() += 1;
    const std::string text = refusal([&](TinyModel& m) { m.tensor(t.name, shape); });
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
