// A small grammar and vocabularies of given texts, for tests and fuzzing of native/constrain.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "constrain/matcher.h"

namespace owl3::test {

/// A vocabulary of some texts, whose numbers are their ids; those in `ends` end an answer.
inline std::shared_ptr<const constrain::Vocabulary> vocabulary(const std::vector<std::string>& texts,
                                                               std::vector<int32_t> ends) {
  std::vector<uint8_t> bytes;
  std::vector<int32_t> starts = {0};
  for (const std::string& t : texts) {
    bytes.insert(bytes.end(), t.begin(), t.end());
    starts.push_back(static_cast<int32_t>(bytes.size()));
  }
  return std::make_shared<const constrain::Vocabulary>(std::move(bytes), std::move(starts), std::move(ends));
}

/// {"a":[s, ...], <other>: s} where s is a string of at most two letters x; the array has one or two of them, and other
/// keys are of letters b and c.
inline constrain::Tables tables() {
  constrain::Tables t;
  t.final_state = 0;
  t.edge_starts = {0, 0, 2, 4};
  t.edges = {'"', '"', 0, 'x', 'x', 1, '"', '"', 0, 'b', 'c', 2};
  t.labels = {0, -1, -1};
  t.nodes = {-1, 0, 0, 0, 0, 0, 1, -1, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 1, 0, 0};
  t.counted = {1, 0, 2};
  t.arrays = {0, 0, 1, 1, 2};
  t.items = {1};
  t.objects = {0, 1, 2, 0, 1, 0, constrain::unlimited};
  t.props = {2, 1};
  t.key_starts = {0, 2};
  t.keys = {'a', '"'};
  return t;
}

}  // namespace owl3::test
