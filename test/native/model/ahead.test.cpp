// Passes that a device begins before their ids are known on the host: the answers, and what becomes of guesses that were
// wrong.
#include <random>

#include "cuda/fake_backend.h"
#include "model/session.h"
#include "support/harness.h"
#include "support/slow_backend.h"
#include "support/tiny_model.h"

using namespace owl3;
using test::NaiveBackend;
using test::SlowBackend;
using test::TinyModel;

namespace {

std::shared_ptr<model::Model> open(std::vector<std::shared_ptr<ops::Backend>> backends) {
  static const std::shared_ptr<const std::string> path = TinyModel().write();
  return model::Model::open(*path, std::move(backends));
}

std::vector<int32_t> count(int32_t n, int32_t from = 0) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (int32_t i = 0; i < n; i++) ids[static_cast<size_t>(i)] = (from + i * 7) % 40;
  return ids;
}

/// The ids and logits that a pass picked of a row, to the bit. The sum of exponentials is the host's or the device's own.
using Row = std::pair<std::vector<int32_t>, std::vector<float>>;

struct Decoder : model::Session {
  explicit Decoder(const std::shared_ptr<model::Model>& model, int32_t context = 256)
      : model::Session(model, {context, ops::KvType::f16, 128, 0}) {}

  std::map<int32_t, int32_t> last;  // the id that each sequence goes on with
  std::vector<Row> rows;            // of all passes

  void pass(const std::vector<std::pair<int32_t, std::vector<int32_t>>>& sequences, bool goes_on = true) {
    std::vector<model::Part> parts;
    for (const auto& [sequence, ids] : sequences)
      parts.push_back({.sequence = sequence, .ids = ids, .wanted = 1, .picked = 3, .goes_on = goes_on});
    const std::vector<model::Logits> logits = advance(parts);
    for (size_t i = 0; i < parts.size(); i++) {
      const ops::Picked& picked = logits[i].picked.back();
      rows.emplace_back(picked.ids, picked.logits);
      last[parts[i].sequence] = picked.ids.front();
    }
  }
  void step(const std::vector<int32_t>& sequences, bool goes_on = true) {
    std::vector<std::pair<int32_t, std::vector<int32_t>>> parts;
    for (const int32_t s : sequences) parts.push_back({s, {last.at(s)}});
    pass(parts, goes_on);
  }
};

/// Steps with ends, cuts, forks and strangers among them, the same for every backend.
std::vector<Row> day(const std::shared_ptr<model::Model>& model, bool goes_on) {
  Decoder s(model), other(model);
  const auto pass = [&](auto parts) { s.pass(parts, goes_on); };
  const auto steps = [&](std::vector<int32_t> sequences, int n) {
    for (int i = 0; i < n; i++) s.step(sequences, goes_on);
  };
  using Parts = std::vector<std::pair<int32_t, std::vector<int32_t>>>;
  const int32_t a = s.create(), b = s.create();
  pass(Parts{{a, count(50)}});
  steps({a}, 20);  // over the end of a page
  pass(Parts{{b, count(9, 3)}});
  steps({a, b}, 7);
  steps({b, a}, 3);  // another order
  steps({b}, 3);     // one ends
  s.truncate(b, s.length(b) - 1);
  pass(Parts{{b, {11}}});  // another id than was picked
  steps({b}, 7);
  const int32_t c = s.fork(b);
  s.last[c] = s.last[b];
  steps({b}, 2);  // shares the page that was written ahead
  steps({c}, 2);
  steps({b, c}, 6);
  const int32_t q = other.create();
  other.pass({{q, count(5)}}, goes_on);
  for (int i = 0; i < 8; i++) {  // two sessions by turns, in one buffer of activations
    s.step({b, c}, goes_on);
    other.step({q}, goes_on);
    if (i == 5) model->encode(std::vector<uint8_t>(3 * 8 * 8, 90).data(), 1);
  }
  s.remove(b);
  steps({c}, 3);
  s.rows.insert(s.rows.end(), other.rows.begin(), other.rows.end());
  return s.rows;
}

}  // namespace

TEST("ahead: answers have the same bits with passes that run ahead, whatever becomes of the guesses") {
  const std::vector<Row> expected = day(open({std::make_shared<NaiveBackend>()}), true);
  const auto slow = std::make_shared<SlowBackend>();
  CHECK(day(open({slow}), true) == expected);
  CHECK(slow->ran_ahead > 40);
  const int before = slow->ran_ahead;
  CHECK(day(open({slow}), false) == expected);
  CHECK_EQ(slow->ran_ahead, before);
  const auto first = std::make_shared<SlowBackend>(), second = std::make_shared<SlowBackend>();
  CHECK(day(open({first, second}), true) == expected);  // rows are handed over by waiting, so nobody runs ahead
  CHECK_EQ(first->ran_ahead + second->ran_ahead, 0);
  const auto simulated = [](bool goes_on) { return day(open({test::fake_device()}), goes_on); };
  CHECK(simulated(true) == simulated(false));
}

TEST("ahead: every step of a steady answer was begun by the one before it") {
  const auto slow = std::make_shared<SlowBackend>();
  Decoder s(open({slow}));
  const int32_t q = s.create();
  s.pass({{q, count(10)}});
  CHECK_EQ(slow->ran_ahead, 1);
  for (int i = 0; i < 30; i++) {
    CHECK(s.has_begun(q, s.last[q]));
    CHECK(!s.has_begun(q, (s.last[q] + 1) % 40));
    s.step({q});
  }
  CHECK_EQ(slow->ran_ahead, 31);
  const int32_t fork = s.fork(q);
  CHECK(!s.has_begun(fork, s.last[q]));
  s.remove(fork);
  s.step({q}, false);  // the last token that is wanted
  CHECK(!s.has_begun(q, s.last[q]));
  CHECK_EQ(slow->ran_ahead, 31);
  CHECK_EQ(s.length(q), 41);
}

TEST("ahead: a pass goes ahead into pages that its sequence holds, and no further than the context") {
  const auto slow = std::make_shared<SlowBackend>();
  Decoder s(open({slow}), 80);
  const int32_t q = s.create();
  s.pass({{q, count(63)}});  // the next position is the page's last
  CHECK_EQ(slow->ran_ahead, 1);
  s.step({q});
  CHECK_EQ(slow->ran_ahead, 1);
  CHECK_EQ(s.pages_in_use(), 1);
  for (int i = 0; i < 16; i++) s.step({q});
  CHECK_EQ(s.length(q), 80);
  CHECK_EQ(slow->ran_ahead, 16);
}

TEST("ahead: guesses that fail make room for passes without them") {
  const auto slow = std::make_shared<SlowBackend>();
  Decoder s(open({slow}));
  const int32_t q = s.create();
  s.pass({{q, count(10)}});
  for (int i = 0; i < 40; i++) {
    s.last[q] = (s.last[q] + 1) % 40;  // never what the device guessed
    s.step({q});
  }
  CHECK_EQ(slow->ran_ahead, 9);  // one in five
}

TEST("ahead: a device that fails in a pass that ran ahead says so when it is asked for, and loses nothing") {
  const auto slow = std::make_shared<SlowBackend>();
  const auto model = open({slow});
  Decoder s(model), undisturbed(open({std::make_shared<NaiveBackend>()}));
  const int32_t q = s.create(), u = undisturbed.create();
  s.pass({{q, count(20)}});
  undisturbed.pass({{u, count(20)}});
  for (const int after : {0, 3, 17, 40, 90}) {
    slow->fail_after = after;
    for (int tries = 0; tries < 20; tries++) {
      const int32_t length = s.length(q);
      try {
        s.step({q});
        undisturbed.step({u});
      } catch (const Error& e) {
        CHECK(e.code == ErrorCode::internal);
        CHECK_EQ(s.length(q), length);
        break;
      }
      CHECK(tries < 19);
    }
    slow->fail_after = -1;
    for (int i = 0; i < 8; i++) s.step({q}), undisturbed.step({u});
    CHECK(s.rows == undisturbed.rows);
  }
}
