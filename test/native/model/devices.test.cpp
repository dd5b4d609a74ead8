// A model on a device that is not the host (support/slow_backend.h), and split over several devices.
#include "model/session.h"
#include "support/harness.h"
#include "support/slow_backend.h"
#include "support/tiny_model.h"

using namespace owl3;
using test::NaiveBackend;
using test::SlowBackend;
using test::TinyModel;

namespace {

using Backends = std::vector<std::shared_ptr<ops::Backend>>;

std::vector<int32_t> count(int32_t n, int32_t from = 0) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (int32_t i = 0; i < n; i++) ids[static_cast<size_t>(i)] = (from + i * 7) % 40;
  return ids;
}

std::vector<uint8_t> pixels(int64_t n) {
  std::vector<uint8_t> p(static_cast<size_t>(n * 3 * 9 * 9));
  for (size_t i = 0; i < p.size(); i++) p[i] = static_cast<uint8_t>(i * 37 + i / 192 * 11);
  return p;
}

constexpr model::HyperKind kinds[] = {model::HyperKind::fused, model::HyperKind::gated_head,
                                      model::HyperKind::gated_channel};

std::shared_ptr<model::Model> open(Backends backends, model::HyperKind kind = model::HyperKind::fused) {
  static std::map<model::HyperKind, std::shared_ptr<const std::string>> paths;
  std::shared_ptr<const std::string>& path = paths[kind];
  if (!path) path = TinyModel(kind).write();
  return model::Model::open(*path, std::move(backends));
}

/// Logits of a day's work: two prompts with pictures in chunks, a fork, mixed passes of prefill and decode rows, a
/// sequence that is cut and goes on.
std::vector<std::vector<float>> work(const std::shared_ptr<model::Model>& model) {
  std::vector<std::vector<float>> rows;
  const auto embeds = model->encode(pixels(3).data(), 3);
  std::vector<float> values(
      static_cast<size_t>(3 * model->config().vision.crop_tokens() * model->config().hidden_size));
  model->copy_embeds(*embeds, values.data());
  rows.push_back(values);
  model::Session s(model, {256, ops::KvType::f16, 128, 0});
  const int32_t a = s.create(), b = s.create();
  const auto advance = [&](std::vector<model::Part> parts) {
    for (const model::Logits& logits : s.advance(parts)) {
      rows.push_back(logits.whole);
      for (const ops::Picked& p : logits.picked) rows.push_back(p.logits);
    }
  };
  const auto part = [](int32_t sequence, const std::vector<int32_t>& ids, const std::vector<model::MediaSlot>& media) {
    return model::Part{.sequence = sequence, .ids = ids, .media = media, .wanted = 1, .picked = 4, .whole = true};
  };
  const std::vector<int32_t> first = count(70), second = count(40, 3), one = count(1, 9), two = count(1, 5);
  const std::vector<model::MediaSlot> early = {{4, embeds, 0}, {60, embeds, 1}}, late = {{80, embeds, 2}}, none;
  advance({part(a, first, early)});
  advance({part(a, second, late), part(b, second, none)});
  const int32_t c = s.fork(a);
  for (int32_t step = 0; step < 3; step++) advance({part(a, one, none), part(b, two, none), part(c, two, none)});
  s.truncate(c, 50);
  advance({part(c, second, none), part(a, one, none)});
  s.remove(b);
  advance({part(c, one, none)});
  return rows;
}

}  // namespace

TEST("devices: a device that works on its own time and in its own memory gives the same bits") {
  for (const model::HyperKind kind : kinds) {
    const auto expected = work(open({std::make_shared<NaiveBackend>()}, kind));
    const auto slow = std::make_shared<SlowBackend>();
    CHECK(work(open({slow}, kind)) == expected);
    CHECK(slow->replays >= 2);  // of three equal steps
  }
}

TEST("devices: layers split over devices give the same bits") {
  const auto naive = [] { return std::make_shared<NaiveBackend>(); };
  const auto slow = [] { return std::make_shared<SlowBackend>(); };
  for (const model::HyperKind kind : kinds) {
    const auto expected = work(open({std::make_shared<NaiveBackend>()}, kind));
    CHECK(work(open({slow(), naive()}, kind)) == expected);
    CHECK(work(open({naive(), slow()}, kind)) == expected);
    CHECK(work(open({slow(), naive(), slow()}, kind)) == expected);
    CHECK(work(open({slow(), slow(), slow(), slow()}, kind)) == expected);  // one of them without layers
  }
}

TEST("devices: what a model holds goes when it goes") {
  const auto slow = std::make_shared<SlowBackend>();
  {
    const auto model = open({slow});
    work(model);
    CHECK(slow->device->live_bytes() > 0);
  }
  slow->wait(slow->submit());
  CHECK_EQ(slow->device->live_bytes(), 0u);
  CHECK_EQ(*slow->inner.now, 0u);  // pages and crops
}

TEST("devices: a failure in the middle of a pass comes out of it, and the sequences are as they were") {
  const auto expected = work(open({std::make_shared<NaiveBackend>()}));
  const auto slow = std::make_shared<SlowBackend>();
  const auto model = open({slow});
  const auto embeds = model->encode(pixels(1).data(), 1);
  model::Session s(model, {256, ops::KvType::f16, 128, 0});
  const int32_t q = s.create();
  const std::vector<int32_t> ids = count(30);
  const std::vector<model::MediaSlot> media = {{10, embeds, 0}};
  const model::Part part{.sequence = q, .ids = ids, .media = media, .wanted = 1, .whole = true};
  const std::vector<float> row = s.advance(std::span(&part, 1))[0].whole;
  s.truncate(q, 0);
  for (int after : {0, 1, 5, 12}) {
    slow->fail_after = after;
    CHECK_THROWS(s.advance(std::span(&part, 1)), ErrorCode::internal);
    CHECK_EQ(s.length(q), 0);
    CHECK_EQ(s.pages_in_use(), 0);
    slow->fail_after = -1;
  }
  CHECK(s.advance(std::span(&part, 1))[0].whole == row);
  CHECK(work(model) == expected);
}

TEST("devices: the slow device refuses memory that is not its own") {
  SlowBackend slow;
  std::vector<float> host(64);
  const auto own = slow.allocate(64 * sizeof(float));
  slow.select_rows(host.data(), 8, static_cast<float*>(own.get()));
  CHECK_THROWS(slow.wait(slow.submit()), ErrorCode::internal);
  slow.copy_to_device(host.data(), host.data(), 16);
  CHECK_THROWS(slow.wait(slow.submit()), ErrorCode::internal);
  slow.copy_to_device(own.get(), host.data(), host.size() * sizeof(float));
  slow.wait(slow.submit());
}

TEST("devices: a plan made from the header alone is the plan of the open model") {
  for (const model::HyperKind kind : kinds) {
    for (const size_t devices : {1u, 2u}) {
      const auto backends = [&] {
        Backends all(devices);
        for (auto& b : all) b = std::make_shared<NaiveBackend>();
        return all;
      };
      const std::shared_ptr<const std::string> path = TinyModel(kind).write();
      const auto whole = model::Model::open(*path, backends());
      const auto header = model::Model::open(*path, backends(), {.load = model::Load::plan});
      for (const model::PlanOptions& o :
           {model::PlanOptions{.context = 200, .crops = 3, .sequences = 2, .max_rows = 64},
            model::PlanOptions{.context = 64, .kv_type = ops::KvType::f32, .max_rows = 512}}) {
        const model::MemoryPlan a = whole->plan(o), b = header->plan(o);
        CHECK(a.weights == b.weights && a.kv_cache == b.kv_cache && a.visual_kv == b.visual_kv);
        CHECK(a.embeds == b.embeds && a.scratch == b.scratch);
      }
    }
  }
}

TEST("devices: loading tells how far it is, up to the bytes of all weights on all devices") {
  /// Notes what is told whenever a matrix comes.
  struct Watched : NaiveBackend {
    model::Loading& loading;
    std::vector<uint64_t>& seen;
    Watched(model::Loading& l, std::vector<uint64_t>& s) : loading(l), seen(s) {}
    std::unique_ptr<ops::Matrix> load_matrix(const ops::HostTensor& t) override {
      if (t.data != nullptr) {
        seen.push_back(loading.bytes);
        CHECK(loading.total > loading.bytes);
      }
      return NaiveBackend::load_matrix(t);
    }
  };
  const std::shared_ptr<const std::string> path = TinyModel().write();
  for (const size_t devices : {1u, 2u}) {
    model::Loading loading;
    std::vector<uint64_t> seen;
    Backends all(devices);
    for (auto& b : all) b = std::make_shared<Watched>(loading, seen);
    const auto model = model::Model::open(*path, all, {.loading = &loading});
    CHECK_EQ(seen.front(), 0u);
    CHECK(std::ranges::is_sorted(seen, std::less_equal<>()));  // each matrix counts
    CHECK_EQ(loading.bytes.load(), model->weights().bytes);
    CHECK_EQ(loading.total.load(), model->weights().bytes);
  }
}
