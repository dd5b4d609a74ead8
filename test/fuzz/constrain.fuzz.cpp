// Tables of a grammar and a walk through its masks: any bytes are changes of good tables, then the tokens to take. What
// is accepted must not read past its tables, and a mask must allow just the tokens whose bytes may come one by one.
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "support/grammar.h"

using namespace owl3;
using constrain::Tables;

/// The bytes that the grammar tells apart, and some that it does not; an empty text ends the answer.
static constexpr std::string_view single = "{}[]:,\"abcx \n\\0\x7f\x80\xc3\xff";
static constexpr int32_t end_id = single.size();

static std::shared_ptr<const constrain::Vocabulary> vocabulary() {
  std::vector<std::string> texts;
  for (const char c : single) texts.emplace_back(1, c);
  texts.emplace_back();
  for (const char* token : {"\x80\x80\x80\x80\x80\x80\x80\x80", "{\"", "\":[", "\"x", "xx", "xxx", "\"]", "\"],",
                            "\",\"", "\"]}", "],\"b", "\":\"", "[["})
    texts.emplace_back(token);
  return test::vocabulary(texts, {end_id});
}

/// Whether a token may come, byte by byte.
static bool may_come(constrain::Matcher matcher, const constrain::Vocabulary& tokens, int32_t id) {
  try {
    if (id <= end_id)
      matcher.accept(id);
    else
      for (const uint8_t byte : tokens.bytes(id)) {
        const size_t at = single.find(static_cast<char>(byte));
        if (at == single.npos) return false;
        matcher.accept(static_cast<int32_t>(at));
      }
  } catch (const Error&) {
    return false;
  }
  return true;
}

/// Those of the tests with a second key, which begins like the first, and with other limits.
static Tables good() {
  Tables t = test::tables();
  t.counted = {1, 0, 3};
  t.arrays = {0, 1, 1, 1, 4};
  t.items = {1, 0};
  t.objects = {0, 2, 2, 0, 1, 1, 5};
  t.props = {2, 1, 2, 0};
  t.key_starts = {0, 2, 5};
  t.keys = {'a', '"', 'a', 'b', '"'};
  return t;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* p, size_t n) {
  static const auto tokens = vocabulary();
  const uint8_t* const end = p + n;
  if (n < 1) return 0;
  Tables t = good();
  std::vector<int32_t>* const lists[] = {&t.edge_starts, &t.edges, &t.labels,  &t.nodes, &t.counted,
                                         &t.arrays,      &t.items, &t.objects, &t.props, &t.key_starts};
  for (int changes = *p++ % 8; changes > 0 && end - p >= 3; changes--, p += 3) {
    std::vector<int32_t>& list = *lists[p[0] % std::size(lists)];
    const int32_t value = p[2] < 250 ? p[2] - 4 : p[2] % 2 == 0 ? INT32_MAX : INT32_MIN;
    if (p[1] == 255)
      list.push_back(value);
    else if (!list.empty())
      list[p[1] % list.size()] = value;
  }
  try {
    const auto constraint =
        std::make_shared<constrain::Constraint>(tokens, std::make_shared<constrain::SharedInsides>(), t);
    constrain::Matcher matcher(constraint);
    for (int i = 0; i < 16 && p < end; i++) {
      const constrain::Mask mask = matcher.mask();
      std::vector<int32_t> allowed;
      for (int32_t id = 0; id < static_cast<int32_t>(tokens->size()); id++) {
        const bool in = contains(mask, static_cast<size_t>(id));
        if (in) allowed.push_back(id);
        // Trying one that may not come throws, which takes long: some of them do for each step
        if ((in || (id + i) % 8 == 0) && in != may_come(matcher, *tokens, id)) std::abort();
      }
      if (i % 4 == 0) matcher.forced(4);
      const int32_t taken = allowed[*p++ % allowed.size()];
      if (taken == end_id) break;
      matcher.accept(taken);
    }
  } catch (const Error& e) {
    if (e.code != ErrorCode::invalid_argument && e.code != ErrorCode::unsupported) throw;
  }
  return 0;
}
