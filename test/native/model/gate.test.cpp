// Hyper layers with two softmaxes and a gate, as the checkpoints before 241101 have them, on a backend in plain loops and
// on the CPU.
#include "cpu/backend.h"
#include "model/session.h"
#include "support/harness.h"
#include "support/machine.h"
#include "support/tiny_model.h"

using namespace owl3;
using model::HyperKind;
using test::NaiveBackend;
using test::TinyModel;

namespace {

constexpr HyperKind gated[] = {HyperKind::gated_head, HyperKind::gated_channel};
using Media = std::vector<model::MediaSlot>;

std::vector<int32_t> count(int32_t n, int32_t from = 0) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (int32_t i = 0; i < n; i++) ids[static_cast<size_t>(i)] = (from + i * 7) % 40;
  return ids;
}
double distance(std::span<const float> a, std::span<const float> b) {
  double most = a.size() == b.size() ? 0 : 1e30;
  for (size_t i = 0; i < a.size() && i < b.size(); i++) most = std::max(most, std::abs(double(a[i]) - b[i]));
  return most;
}

/// An open model, and the logits of every row of a prompt.
struct Opened {
  std::shared_ptr<const std::string> path;
  std::shared_ptr<model::Model> model;
  std::shared_ptr<const model::Embeds> embeds;
  explicit Opened(const TinyModel& tiny, std::shared_ptr<ops::Backend> backend = std::make_shared<NaiveBackend>())
      : path(tiny.write()), model(model::Model::open(*path, {std::move(backend)})) {
    const int32_t side = model->config().vision.crop_size;
    std::vector<uint8_t> pixels(static_cast<size_t>(3 * side * side * 3));
    for (size_t i = 0; i < pixels.size(); i++) pixels[i] = static_cast<uint8_t>(i * 37 + i / 192 * 11);
    embeds = model->encode(pixels.data(), 3);
  }
  Media media(std::vector<int32_t> offsets) const {
    Media list;
    for (size_t i = 0; i < offsets.size(); i++) list.push_back({offsets[i], embeds, static_cast<int64_t>(i)});
    return list;
  }
  /// [n, V], the ids appended in parts of `chunk`.
  std::vector<float> logits(int32_t n, const Media& media, int32_t chunk = 128) const {
    model::Session s(model, {256, ops::KvType::f32, 128, 0});
    const int32_t q = s.create();
    const std::vector<int32_t> ids = count(n);
    std::vector<float> rows;
    for (int32_t at = 0; at < n; at += chunk) {
      const int32_t some = std::min(chunk, n - at);
      Media here;
      for (const model::MediaSlot& m : media)
        if (m.offset >= at && m.offset < at + some) here.push_back(m);
      const model::Part part{.sequence = q,
                             .ids = std::span(ids).subspan(static_cast<size_t>(at), static_cast<size_t>(some)),
                             .media = here,
                             .wanted = some,
                             .whole = true};
      const std::vector<model::Logits> logits = s.advance(std::span(&part, 1));
      rows.insert(rows.end(), logits[0].whole.begin(), logits[0].whole.end());
    }
    return rows;
  }
};

/// The first rows of some logits.
std::span<const float> rows(const std::vector<float>& logits, int32_t from, int32_t to) {
  return std::span(logits).subspan(static_cast<size_t>(from * 40), static_cast<size_t>((to - from) * 40));
}

/// The gate of `kind` at the same value for all: far out it is closed (0) or open (1) exactly.
TinyModel with_gate(HyperKind kind, float value) {
  TinyModel m(kind);
  m.fill("attn_v_gate.weight", kind == HyperKind::gated_head ? 0.f : value);
  m.fill("attn_v_gate.bias", value);
  return m;
}

}  // namespace

TEST(
    "gate: a gate that is closed is Qwen2 without pictures, and so are rows before the first picture, and no "
    "pictures") {
  for (const HyperKind kind : gated) {
    const Opened closed(with_gate(kind, -200)), half(with_gate(kind, 0)), open(with_gate(kind, 200));
    const std::vector<float> plain = closed.logits(70, {});
    CHECK(plain == closed.logits(70, closed.media({10, 30, 66})));
    CHECK(plain == half.logits(70, {}));
    CHECK(plain == open.logits(70, {}));
    CHECK(distance(rows(half.logits(70, half.media({10})), 11, 70), rows(plain, 11, 70)) > 1e-2);
    // The gate's values lie at 1/2: neither the text nor the pictures alone.
    CHECK(distance(half.logits(70, half.media({10})), open.logits(70, open.media({10}))) > 1e-2);
  }
}

TEST("gate: a gate that is open shows a row nothing of the text in a hyper layer") {
  // All three layers are hyper layers here, so that no row tells another of its text.
  for (const HyperKind kind : gated) {
    TinyModel all = with_gate(kind, 200);
    all.hyper({0, 1, 2});
    all.linear("blk.1.attn_visual_kv", 16, 16);
    if (kind == HyperKind::gated_head)
      all.linear("blk.1.attn_v_gate", 4, 4);
    else
      all.tensor("blk.1.attn_v_gate.weight", {16});
    const Opened f(all);
    const auto last = [&](std::vector<int32_t> ids) {
      model::Session s(f.model, {256, ops::KvType::f32, 128, 0});
      const Media media = f.media({0, 1});
      const model::Part part{.sequence = s.create(), .ids = ids, .media = media, .wanted = 1, .whole = true};
      return s.advance(std::span(&part, 1))[0].whole;
    };
    std::vector<int32_t> a = count(20), b = count(20, 5);
    b.back() = a.back();
    CHECK(a != b && last(a) == last(b));
    b.back() = a.back() + 1;
    CHECK(distance(last(a), last(b)) > 1e-2);
  }
}

TEST("gate: a crop is seen from the position after its placeholder's first token, and its keys stand there") {
  for (const HyperKind kind : gated) {
    const TinyModel shifted(kind);
    TinyModel unshifted(kind);
    unshifted.integers("hyper_attention.media_offset", 0);
    const Opened f(shifted), g(unshifted);
    const std::vector<float> plain = f.logits(70, {}), one = f.logits(70, f.media({40}));
    CHECK(distance(rows(one, 0, 41), rows(plain, 0, 41)) == 0);
    CHECK(distance(rows(one, 41, 42), rows(plain, 41, 42)) > 1e-3);
    CHECK(one == g.logits(70, g.media({41})));
    // At the end of the prompt: nothing changes, and in the next step it is there, also when its first token ends a chunk.
    CHECK(plain == f.logits(70, f.media({69})));
    CHECK(one == f.logits(70, f.media({40}), 41));
  }
}

TEST("gate: a picture goes with its placeholder's first token, not with the position from which it is seen") {
  const Opened f{TinyModel(HyperKind::gated_channel)};
  model::Session s(f.model, {256, ops::KvType::f32, 128, 0});
  const int32_t q = s.create();
  const std::vector<int32_t> ids = count(30);
  const Media media = f.media({20});
  const auto append = [&](std::span<const int32_t> some, const Media& m) {
    const model::Part part{.sequence = q, .ids = some, .media = m, .wanted = 1, .whole = true};
    return s.advance(std::span(&part, 1))[0].whole;
  };
  const std::vector<float> row = append(ids, media);
  const uint64_t visual = model::crop_bytes(f.model->config(), ops::KvType::f32);
  const uint64_t all = s.bytes();
  s.truncate(q, 21);  // seen from 21 on, and its first token stands at 20
  CHECK_EQ(s.bytes(), all);
  CHECK(append(std::span(ids).subspan(21), {}) == row);
  s.truncate(q, 20);
  CHECK_EQ(s.bytes(), all - visual);
  CHECK(append(std::span(ids).subspan(20), media) == row);
}

TEST("gate: every chunk and decoding give the bits of the prompt as a whole, on every instruction set") {
  for (const HyperKind kind : gated) {
    const TinyModel tiny(kind);
    const Opened naive(tiny);
    const std::vector<float> expected = naive.logits(70, naive.media({5, 30, 64}));
    for (const Isa isa : test::machine_isas()) {
      const Opened f(tiny, cpu::make_backend({.threads = 2}, isa));
      const Media media = f.media({5, 30, 64});
      const std::vector<float> whole = f.logits(70, media);
      double largest = 0;
      for (const float v : expected) largest = std::max(largest, std::abs(double(v)));
      CHECK(distance(whole, expected) < 1e-4 * largest);
      for (const int32_t chunk : {1, 3, 31, 64}) CHECK(whole == f.logits(70, media, chunk));
    }
  }
}

TEST("gate: pixels that no whole patch covers are not read, and the projector is one Linear") {
  const Opened f{TinyModel(HyperKind::gated_head)};
  constexpr int32_t side = 9;
  std::vector<uint8_t> a(side * side * 3, 100), b = a;
  for (int32_t i = 0; i < side; i++)
    for (int32_t c = 0; c < 3; c++)
      b[static_cast<size_t>((i * side + 8) * 3 + c)] = b[static_cast<size_t>((8 * side + i) * 3 + c)] = 7;
  const auto embeds = [&](const std::vector<uint8_t>& pixels) {
    std::vector<float> values(16 * 16);
    f.model->copy_embeds(*f.model->encode(pixels.data(), 1), values.data());
    return values;
  };
  CHECK(a != b && embeds(a) == embeds(b));
  b[static_cast<size_t>((7 * side + 7) * 3)] = 7;  // in the last patch
  CHECK(distance(embeds(a), embeds(b)) > 1e-3);
  // Whatever comes in at mm.0's bias goes out: no activation is between.
  TinyModel moved(HyperKind::gated_head), zero(HyperKind::gated_head);
  moved.fill("mm.0.bias", -50), zero.fill("mm.0.bias", 0);
  std::vector<float> with(16 * 16), without(16 * 16);
  const Opened m(moved), z(zero);
  m.model->copy_embeds(*m.model->encode(a.data(), 1), with.data());
  z.model->copy_embeds(*z.model->encode(a.data(), 1), without.data());
  for (size_t i = 0; i < with.size(); i++) CHECK_NEAR(with[i], double(without[i]) - 50, 1e-4);
}
