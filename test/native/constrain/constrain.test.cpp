#include <string>

#include "base/error.h"
#include "support/grammar.h"
#include "support/harness.h"

using namespace owl3;
using test::tables;

/// A vocabulary of some texts, and an id after them that ends an answer.
static std::shared_ptr<const constrain::Vocabulary> vocabulary(std::vector<std::string> texts) {
  texts.emplace_back();
  return test::vocabulary(texts, {static_cast<int32_t>(texts.size()) - 1});
}

static std::shared_ptr<constrain::Constraint> constraint(const std::vector<std::string>& texts,
                                                         const constrain::Tables& t = tables()) {
  return std::make_shared<constrain::Constraint>(vocabulary(texts), std::make_shared<constrain::SharedInsides>(), t);
}

static const std::vector<std::string> texts = {"{", "\"", "a",   ":",    "[",      "x",      ",",    "]",
                                               "}", "b",  "{\"", "\":[", "\"xx\"", "x\",\"", "\"]}", "xxx",
                                               "x", "",   "\"x", "\"],", "\":\"",  "\"a\":", "],\"b"};

static std::vector<std::string> allowed(constrain::Matcher& m) {
  std::vector<std::string> out;
  for (size_t i = 0; i < texts.size(); i++)
    if (contains(m.mask(), i)) out.push_back(texts[i]);
  if (contains(m.mask(), texts.size())) out.push_back("END");
  return out;
}
static int32_t id(const std::string& text) {
  return static_cast<int32_t>(std::find(texts.begin(), texts.end(), text) - texts.begin());
}
using Strings = std::vector<std::string>;

TEST("constrain: masks follow an object, its array and counted strings over the borders of tokens") {
  constrain::Matcher m(constraint(texts));
  CHECK(allowed(m) == (Strings{"{", "{\""}));
  m.accept(id("{\""));
  CHECK(allowed(m) == (Strings{"a"}));  // the required key, and no other one before it
  m.accept(id("a"));
  CHECK(allowed(m) == (Strings{"\"", "\":["}));
  m.accept(id("\":["));
  CHECK(allowed(m) == (Strings{"\"", "\"xx\"", "\"x"}));  // one string at least
  m.accept(id("\"x"));
  CHECK(allowed(m) == (Strings{"\"", "x", "x\",\"", "\"]}", "x", "\"],"}));  // both ids of x, one more at most
  constrain::Matcher other = m;
  m.accept(id("x\",\""));
  CHECK(allowed(m) == (Strings{"\"", "x", "\"]}", "x", "\"],"}));  // no third string
  m.accept(id("\"]}"));
  CHECK(allowed(m) == (Strings{"END"}));
  CHECK(m.complete() && m.accepts());
  m.accept(static_cast<int32_t>(texts.size()));
  CHECK_THROWS(m.accept(id("x")), ErrorCode::invalid_argument);
  CHECK(m.complete() && m.accepts());
  other.accept(id("\"],"));
  CHECK(allowed(other) == (Strings{"\""}));
  other.accept(id("\""));
  CHECK(allowed(other) == (Strings{"\"", "b", "\":\""}));  // any key of b and c; "a" is none of them
}

TEST("constrain: arrays lie in each other as deep as frames are kept, and then must close") {
  constrain::Tables t;  // arrays of arrays
  t.edge_starts = {0, 0};
  t.labels = {0};
  t.nodes = {-1, 0, 0, 0, 1, 0, 0};
  t.arrays = {0, 0, 0, 0, constrain::unlimited};
  t.key_starts = {0};
  const std::vector<std::string> brackets = {"[", "]"};
  constrain::Matcher m(constraint(brackets, t));
  int depth = 0;
  while (contains(m.mask(), 0)) {
    m.accept(0);
    depth++;
    CHECK(depth < 10000);
  }
  CHECK(depth > 50);
  for (; depth > 0; depth--) m.accept(1);
  CHECK(m.complete());
  t.arrays[3] = 1;  // each has an item, so that none can close
  constrain::Matcher endless(constraint(brackets, t));
  CHECK_THROWS(
      [&] {
        for (int i = 0; i < 10000; i++) {
          CHECK(contains(endless.mask(), 0));
          endless.accept(0);
        }
      }(),
      ErrorCode::unsupported);
}

TEST("constrain: an id that may not come changes nothing") {
  constrain::Matcher m(constraint(texts));
  for (const int32_t wrong : {id("x"), id(""), -1, 99999, static_cast<int32_t>(texts.size())})
    CHECK_THROWS(m.accept(wrong), ErrorCode::invalid_argument);
  CHECK(allowed(m) == (Strings{"{", "{\""}));
}

TEST("constrain: forced bytes are those without a choice") {
  constrain::Matcher m(constraint(texts));
  const auto forced = m.forced(64);
  CHECK(std::string(forced.begin(), forced.end()) == "{\"a\":[\"");
  CHECK_EQ(m.forced(3).size(), 3u);
}

TEST("constrain: the tree holds every token, equal ones too, and none that ends an answer") {
  const auto v = vocabulary({"ab", "a", "b", "ab", "", "abc"});
  constrain::Mask mask(v->words());
  for (const auto& node : v->nodes()) v->add(mask, node);
  for (size_t i = 0; i < 7; i++) CHECK_EQ(contains(mask, i), i != 4 && i != 6);
  CHECK_EQ(v->nodes().size(), 5u);  // the root, a, ab, abc, b
  CHECK_EQ(v->nodes()[0].end, 5);
  CHECK_EQ(v->nodes()[2].end, 4);
}

TEST("constrain: tokens that don't fit are refused") {
  const auto make = [](std::vector<int32_t> starts, std::vector<int32_t> ends) {
    constrain::Vocabulary({1, 2, 3}, std::move(starts), std::move(ends));
  };
  make({0, 1, 3}, {0});
  CHECK_THROWS(make({}, {}), ErrorCode::invalid_argument);
  CHECK_THROWS(make({0, 4}, {}), ErrorCode::invalid_argument);
  CHECK_THROWS(make({0, 3, 1, 3}, {}), ErrorCode::invalid_argument);
  CHECK_THROWS(make({1, 3}, {}), ErrorCode::invalid_argument);
  CHECK_THROWS(make({0, 3}, {1}), ErrorCode::invalid_argument);
  CHECK_THROWS(make({0, 3}, {-1}), ErrorCode::invalid_argument);
}

TEST("constrain: every number of the tables that points outside is refused") {
  constrain::Grammar{tables()};
  std::vector<int32_t> constrain::Tables::*const lists[] = {
      &constrain::Tables::edge_starts, &constrain::Tables::edges,  &constrain::Tables::nodes,
      &constrain::Tables::counted,     &constrain::Tables::arrays, &constrain::Tables::items,
      &constrain::Tables::objects,     &constrain::Tables::props,  &constrain::Tables::key_starts};
  int refused = 0;
  for (const auto list : lists) {
    for (size_t i = 0; i < (tables().*list).size(); i++)
      for (const int32_t value : {-2, 1000, INT32_MIN, INT32_MAX}) {
        constrain::Tables t = tables();
        (t.*list)[i] = value;
        try {
          // Tables that are let through must be harmless: the limits of a form may be any.
          constrain::Matcher m(constraint(texts, t));
          for (int n = 0; n < 20 && !m.complete(); n++)
            for (size_t token = 0; token < texts.size(); token++)
              if (contains(m.mask(), token)) {
                m.accept(static_cast<int32_t>(token));
                break;
              }
        } catch (const Error&) {
          refused++;
        }
      }
    constrain::Tables t = tables();
    (t.*list).pop_back();
    CHECK_THROWS(constrain::Grammar{t}, ErrorCode::invalid_argument);
  }
  CHECK(refused > 150);
  constrain::Tables t = tables();
  t.root = 3;
  CHECK_THROWS(constrain::Grammar{t}, ErrorCode::invalid_argument);
  t = tables();
  t.edges = {'"', '"', 0, 'x', 'x', 1, 'y', 'y', 0, 'z', 'z', 2};
  t.edge_starts[2] = 100;  // the edges before it are in order, and the ones after it lie outside
  CHECK_THROWS(constrain::Grammar{t}, ErrorCode::invalid_argument);
  t = tables();
  t.edges[4] = 0x80;  // x to 0x80 begin a character, but the latter continues one
  CHECK_THROWS(constrain::Grammar{t}, ErrorCode::invalid_argument);
  t = tables();
  t.final_state = 1;  // bytes leave it
  CHECK_THROWS(constrain::Grammar{t}, ErrorCode::invalid_argument);
}
