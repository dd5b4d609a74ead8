// Sessions and their memory, on a backend in plain loops.
#include "model/session.h"

#include "support/harness.h"
#include "support/tiny_model.h"

using namespace owl3;
using test::NaiveBackend;
using test::TinyModel;

namespace {

/// A session that asks for the logits after every sequence's last id and keeps them.
struct TestSession : model::Session {
  using Session::Session;
  std::map<int32_t, std::vector<float>> rows;
  void append(int32_t sequence, std::span<const int32_t> ids, std::span<const model::MediaSlot> media = {}) {
    const model::Part part{.sequence = sequence, .ids = ids, .media = media, .wanted = 1, .whole = true};
    rows[sequence] = advance(std::span(&part, 1))[0].whole;
  }
  void step(std::span<const int32_t> sequences, std::span<const int32_t> ids) {
    std::vector<model::Part> parts;
    for (size_t i = 0; i < ids.size(); i++)
      parts.push_back({.sequence = sequences[i], .ids = ids.subspan(i, 1), .wanted = 1, .whole = true});
    const std::vector<model::Logits> logits = advance(parts);
    for (size_t i = 0; i < ids.size(); i++) rows[sequences[i]] = logits[i].whole;
  }
};

/// Keeps the order in which a pass stores crops, lets pages go and begins.
struct LoggingBackend : NaiveBackend {
  std::vector<std::string> log;
  void store_visual(const ops::StoreVisualParams& p) override {
    log.push_back("crop " + std::to_string(p.crop));
    NaiveBackend::store_visual(p);
  }
  void drop_pages(ops::MatrixUse use) override { log.push_back(use == ops::MatrixUse::bulk ? "drop bulk" : "drop"); }
  void begin(const ops::PassTable& table, ops::KvStore& store) override {
    log.push_back("begin");
    NaiveBackend::begin(table, store);
  }
};

struct Fixture {
  std::shared_ptr<const std::string> path = TinyModel().write();
  NaiveBackend* backend = new NaiveBackend;
  std::shared_ptr<model::Model> model = model::Model::open(*path, {std::shared_ptr<ops::Backend>(backend)});
  std::vector<uint8_t> pixels(int64_t n) const {
    std::vector<uint8_t> p(static_cast<size_t>(n * 3 * 8 * 8));
    for (size_t i = 0; i < p.size(); i++) p[i] = static_cast<uint8_t>(i * 37 + i / 192 * 11);
    return p;
  }
  std::shared_ptr<const model::Embeds> embeds(int64_t n) const { return model->encode(pixels(n).data(), n); }
  TestSession session(int32_t context = 256, ops::KvType type = ops::KvType::f32, int32_t chunk = 128) const {
    return TestSession(model, {context, type, chunk, 0});
  }
};
std::vector<int32_t> count(int32_t n, int32_t from = 0) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (int32_t i = 0; i < n; i++) ids[static_cast<size_t>(i)] = (from + i * 7) % 40;
  return ids;
}
const std::vector<float>& row(const TestSession& s, int32_t sequence) {
  return s.rows.at(sequence);
}
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); i++) most = std::max(most, std::abs(double(a[i]) - b[i]));
  return most;
}

}  // namespace

TEST("session: a picture matters from its offset on, and only there") {
  Fixture f;
  const auto e = f.embeds(2);
  const auto ids = count(70);
  const auto run = [&](std::vector<model::MediaSlot> media, int32_t n) {
    TestSession s = f.session();
    const int32_t q = s.create();
    s.append(q, std::span(ids).first(static_cast<size_t>(n)),
             std::vector<model::MediaSlot>(
                 media.begin(), std::find_if(media.begin(), media.end(), [&](auto& m) { return m.offset >= n; })));
    return row(s, q);
  };
  const std::vector<model::MediaSlot> one = {{66, e, 0}};
  CHECK(run(one, 66) == run({}, 66));
  CHECK(distance(run(one, 67), run({}, 67)) > 1e-3);
  CHECK(distance(run({{66, e, 1}}, 67), run(one, 67)) > 1e-3);
  CHECK(distance(run({{65, e, 0}}, 67), run(one, 67)) > 1e-4);  // its keys are rotated at its offset
}

TEST("session: the KV cache's types agree up to their rounding") {
  TinyModel wide;  // heads of 32, as q8_0 needs
  wide.integers("attention.head_count", 1), wide.integers("attention.head_count_kv", 1),
      wide.integers("embedding_length", 32);
  for (int i = 0; i < 3; i++) {
    const std::string b = "blk." + std::to_string(i) + ".";
    wide.tensor(b + "attn_norm.weight", {32}), wide.tensor(b + "ffn_norm.weight", {32});
    wide.linear(b + "attn_q", 32, 32), wide.linear(b + "attn_k", 32, 32), wide.linear(b + "attn_v", 32, 32);
    wide.tensor(b + "attn_output.weight", {32, 32});
    if (i != 1) wide.linear(b + "attn_visual_kv", 64, 32);
    wide.tensor(b + "ffn_gate.weight", {32, 24}), wide.tensor(b + "ffn_up.weight", {32, 24}),
        wide.tensor(b + "ffn_down.weight", {24, 32});
  }
  wide.linear("mm.0", 32, 12), wide.linear("mm.2", 32, 32);
  wide.tensor("token_embd.weight", {32, 40}), wide.tensor("output_norm.weight", {32});
  const auto path = wide.write();
  const auto model = model::Model::open(*path, {std::make_shared<NaiveBackend>()});
  std::vector<uint8_t> pixels(3 * 8 * 8, 90);
  const auto e = model->encode(pixels.data(), 1);
  std::vector<std::vector<float>> rows;
  for (ops::KvType type : {ops::KvType::f32, ops::KvType::f16, ops::KvType::q8_0}) {
    TestSession s(model, {256, type, 128, 0});
    const int32_t q = s.create();
    s.append(q, count(70), std::vector<model::MediaSlot>{{3, e, 0}});
    rows.push_back(row(s, q));
  }
  CHECK(distance(rows[1], rows[0]) > 0 && distance(rows[1], rows[0]) < 0.02);
  CHECK(distance(rows[2], rows[0]) > distance(rows[1], rows[0]) && distance(rows[2], rows[0]) < 0.3);
  Fixture narrow;
  CHECK_THROWS(narrow.session(256, ops::KvType::q8_0), ErrorCode::unsupported);
}

TEST("session: pages are shared by forks and copied when written to") {
  Fixture f;
  TestSession s = f.session();
  const int32_t a = s.create();
  s.append(a, count(100), {});
  const uint64_t page = model::page_bytes(f.model->config(), ops::KvType::f32);
  CHECK_EQ(s.bytes(), 2 * page);
  const int32_t b = s.fork(a);
  CHECK_EQ(s.bytes(), 2 * page);
  CHECK_EQ(f.backend->copies, 0);
  const std::vector<int32_t> one = {5}, both = {a, b}, two = {5, 6};
  s.step(std::span(&b, 1), one);
  CHECK_EQ(f.backend->copies, 1);
  CHECK_EQ(s.bytes(), 3 * page);
  s.step(std::span(&a, 1), one);  // now the only holder of its page
  CHECK_EQ(f.backend->copies, 1);
  CHECK(row(s, a) == row(s, b));
  s.truncate(b, 64);
  CHECK_EQ(s.bytes(), 2 * page);
  s.remove(a);
  s.remove(b);
  CHECK_EQ(s.bytes(), 0u);
  CHECK_THROWS(s.length(a), ErrorCode::invalid_argument);
  CHECK(s.create() > b);
}

TEST("session: a step reads each weight once, however many sequences") {
  Fixture f;
  TestSession s = f.session();
  std::vector<int32_t> sequences, ids;
  for (int i = 0; i < 5; i++) {
    sequences.push_back(s.create());
    s.append(sequences.back(), count(3, i), {});
    ids.push_back(i);
  }
  f.backend->products = 0;
  s.step(std::span(sequences).first(1), std::span(ids).first(1));
  const int alone = f.backend->products;
  f.backend->products = 0;
  s.step(std::span(sequences).subspan(1), std::span(ids).subspan(1));
  CHECK_EQ(f.backend->products, alone);
}

TEST("session: visual keys and values are made once for all hyper layers, shared by forks, and go with truncate") {
  Fixture f;
  TestSession s = f.session();
  const int32_t a = s.create();
  const auto e = f.embeds(3);
  const uint64_t before = s.bytes(), visual = model::crop_bytes(f.model->config(), ops::KvType::f32);
  s.append(a, count(30), std::vector<model::MediaSlot>{{2, e, 0}, {10, e, 1}, {20, e, 2}});
  const uint64_t held = s.bytes() - before;
  s.fork(a);
  CHECK_EQ(s.bytes() - before, held);
  TestSession t = f.session();
  const int32_t b = t.create();
  t.append(b, count(30), std::vector<model::MediaSlot>{{2, e, 0}, {10, e, 1}, {20, e, 2}});
  const uint64_t all = t.bytes();
  t.truncate(b, 20);
  CHECK_EQ(all - t.bytes(), visual);
  t.truncate(b, 10);
  CHECK_EQ(all - t.bytes(), 2 * visual);
}

TEST("session: running out of memory leaves the sequence as it was") {
  Fixture f;
  const auto e = f.embeds(2);
  const std::vector<model::MediaSlot> media = {{90, e, 0}, {110, e, 1}};
  std::vector<float> expected;
  {
    TestSession s = f.session();
    const int32_t q = s.create();
    s.append(q, count(80), {});
    s.append(q, count(80), media);
    expected = row(s, q);
  }
  int failures = 0;
  for (int allowed = 0; allowed < 10; allowed++) {
    TestSession s = f.session();
    const int32_t q = s.create();
    s.append(q, count(80), {});
    f.backend->fail_after = allowed;
    try {
      s.append(q, count(80), media);
    } catch (const Error& error) {
      CHECK(error.code == ErrorCode::out_of_memory);
      failures++;
      CHECK_EQ(s.length(q), 80);
      f.backend->fail_after = -1;
      s.append(q, count(80), media);
    }
    f.backend->fail_after = -1;
    CHECK(row(s, q) == expected);
  }
  CHECK(failures >= 3);
}

TEST("session: plan() is never below what work takes, and not far above") {
  for (int32_t crops : {0, 1, 9})
    for (int32_t context : {2, 64, 200})
      for (int32_t sequences : {1, 4}) {
        Fixture f;
        model::PlanOptions o;
        o.context = context, o.crops = crops, o.sequences = sequences, o.kv_type = ops::KvType::f16, o.max_rows = 50;
        const model::MemoryPlan p = f.model->plan(o);
        {
          std::shared_ptr<const model::Embeds> e = crops > 0 ? f.embeds(crops) : nullptr;
          TestSession s = f.session(context, ops::KvType::f16, 50);
          std::vector<int32_t> all, ids;
          for (int32_t i = 0; i < sequences; i++) {
            const int32_t q = s.create();
            for (int32_t at = 0; at < context - 1; at += 50) {
              std::vector<model::MediaSlot> media;
              if (i == 0 && at == 0)
                for (int32_t c = 0; c < crops; c++) media.push_back({0, e, c});
              s.append(q, count(std::min(50, context - 1 - at)), media);
            }
            all.push_back(q);
            ids.push_back(i);
          }
          s.step(all, ids);
          // The test's backend counts all but matrices.
          uint64_t matrices = p.weights;
          Fixture fresh;
          matrices -= *fresh.backend->now;
          const uint64_t used = *f.backend->peak + matrices;
          CHECK(used <= p.total());
          CHECK_NEAR(static_cast<double>(p.total() - used), 0.,
                     4096.);  // alignment, and sums of parts that are not at their largest together
          CHECK(s.bytes() <= p.kv_cache + p.visual_kv);
        }
      }
}

TEST("session: contexts, chunks and drafts out of range are refused") {
  Fixture f;
  CHECK_THROWS(f.session(0), ErrorCode::invalid_argument);
  CHECK_THROWS(f.session(257), ErrorCode::invalid_argument);
  CHECK_THROWS(f.session(8, ops::KvType::f32, 0), ErrorCode::invalid_argument);
  TestSession s = f.session(8, ops::KvType::f32, 6);
  const int32_t q = s.create();
  CHECK_THROWS(s.append(q, count(7), {}), ErrorCode::invalid_argument);
  CHECK_THROWS(s.append(q, {}, {}), ErrorCode::invalid_argument);
  s.append(q, count(6), {});
  CHECK_THROWS(s.append(q, count(3)), ErrorCode::invalid_argument);
  s.append(q, count(2));
  CHECK_EQ(row(s, q).size(), 40u);
  CHECK_THROWS(s.append(q, count(1)), ErrorCode::invalid_argument);
  CHECK_THROWS(s.truncate(q, 9), ErrorCode::invalid_argument);
  const int32_t both[] = {q, q};
  CHECK_THROWS(s.step(both, count(2)), ErrorCode::invalid_argument);
  s.truncate(q, 5);
  const std::vector<int32_t> ids = count(2);
  const model::Part part{.sequence = q, .ids = ids, .wanted = 3};
  CHECK_THROWS(s.advance(std::span(&part, 1)), ErrorCode::invalid_argument);
  CHECK_EQ(s.length(q), 5);
}

TEST("session: prefill and decode rows mix in a pass, and each row is as it would be alone") {
  Fixture f;
  const auto e = f.embeds(1);
  const std::vector<model::MediaSlot> media = {{9, e, 0}};
  TestSession alone = f.session();
  const int32_t x = alone.create(), y = alone.create();
  alone.append(x, count(40));
  alone.append(x, count(1, 3));
  alone.append(y, count(30, 5), media);

  TestSession s = f.session();
  const int32_t a = s.create(), b = s.create();
  s.append(a, count(40));
  const std::vector<int32_t> one = count(1, 3), prompt = count(30, 5);
  const model::Part parts[] = {{.sequence = b, .ids = prompt, .media = media, .wanted = 30, .picked = 3, .whole = true},
                               {.sequence = a, .ids = one, .wanted = 1, .picked = 2, .whole = true}};
  const std::vector<model::Logits> logits = s.advance(parts);
  CHECK(logits[1].whole == row(alone, x));
  CHECK_EQ(logits[0].whole.size(), 30u * 40);
  CHECK(std::vector<float>(logits[0].whole.end() - 40, logits[0].whole.end()) == row(alone, y));
  CHECK_EQ(logits[0].picked.size(), 30u);
  const ops::Picked expected = ops::pick_row(row(alone, y), 3);
  CHECK(logits[0].picked[29].ids == expected.ids && logits[0].picked[29].logits == expected.logits);
  CHECK_EQ(logits[0].picked[29].log_sum_exp, expected.log_sum_exp);
  CHECK_EQ(s.length(a), 41);
  CHECK_EQ(s.length(b), 30);
}

TEST("session: a pass that needs more pages than allowed is refused before any work") {
  Fixture f;
  TestSession s(f.model, {256, ops::KvType::f32, 128, 3});
  const int32_t a = s.create(), b = s.create();
  s.append(a, count(100));
  CHECK_EQ(s.pages_in_use(), 2);
  f.backend->products = 0;
  CHECK_THROWS(s.append(b, count(65)), ErrorCode::out_of_memory);
  CHECK_EQ(f.backend->products, 0);
  CHECK_EQ(s.length(b), 0);
  s.append(b, count(64));
  CHECK_EQ(s.pages_in_use(), 3);
  const int32_t c = s.fork(a);  // shares both pages: writing to the second needs a copy
  CHECK_THROWS(s.append(c, count(1)), ErrorCode::out_of_memory);
  s.remove(b);
  s.append(c, count(1));
  CHECK_EQ(s.pages_in_use(), 3);
}

TEST("session: the weights of crops may leave memory when those of text are read, and not before") {
  auto* backend = new LoggingBackend;
  const auto path = TinyModel().write();
  const auto model = model::Model::open(*path, {std::shared_ptr<ops::Backend>(backend)});
  TestSession s(model, {256, ops::KvType::f32, 128, 0});
  const int32_t a = s.create();
  const auto embeds = model->encode(Fixture().pixels(2).data(), 2);
  CHECK(backend->log.empty());
  const std::vector<model::MediaSlot> media = {{.offset = 2, .embeds = embeds, .crop = 0},
                                               {.offset = 3, .embeds = embeds, .crop = 1}};
  s.append(a, count(10), media);
  const std::vector<std::string> expected = {"crop 0", "crop 0", "crop 1", "crop 1", "drop bulk", "begin"};
  CHECK(backend->log == expected);
  backend->log.clear();
  s.append(a, count(2));
  CHECK(backend->log == std::vector<std::string>{"begin"});
}
