#include "constrain/vocabulary.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace owl3::constrain {
namespace {

/// Longer tokens don't occur; a node's depth has 16 bits.
constexpr int32_t max_token_bytes = 4096;

[[noreturn]] void fail(const char* what) {
  throw Error(ErrorCode::invalid_argument, what);
}

}  // namespace

Vocabulary::Vocabulary(std::vector<uint8_t> bytes, std::vector<int32_t> starts, std::vector<int32_t> ends)
    : bytes_(std::move(bytes)), starts_(std::move(starts)), ends_(std::move(ends)) {
  if (starts_.empty() || starts_.front() != 0 || static_cast<size_t>(starts_.back()) != bytes_.size())
    fail("the starts of the tokens don't fit their bytes");
  for (size_t i = 1; i < starts_.size(); i++)
    if (starts_[i] < starts_[i - 1] || starts_[i] - starts_[i - 1] > max_token_bytes)
      fail("the starts of the tokens don't fit their bytes");
  for (const int32_t id : ends_)
    if (id < 0 || static_cast<size_t>(id) >= size()) fail("an id that ends the answer is not in the vocabulary");
  build_tree();
}

std::span<const uint8_t> Vocabulary::bytes(int32_t id) const {
  const auto i = static_cast<size_t>(id);
  return std::span(bytes_).subspan(static_cast<size_t>(starts_[i]), static_cast<size_t>(starts_[i + 1] - starts_[i]));
}

bool Vocabulary::is_end(int32_t id) const {
  return std::find(ends_.begin(), ends_.end(), id) != ends_.end();
}

void Vocabulary::build_tree() {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < size(); i++)
    if (starts_[i + 1] > starts_[i] && !is_end(static_cast<int32_t>(i))) ids.push_back(static_cast<int32_t>(i));
  std::sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) {
    const auto x = bytes(a), y = bytes(b);
    const auto [p, q] = std::mismatch(x.begin(), x.end(), y.begin(), y.end());
    if (p == x.end() || q == y.end()) return x.size() != y.size() ? x.size() < y.size() : a < b;
    return *p < *q;
  });
  next_same_.assign(size(), -1);
  nodes_.push_back({});
  std::vector<int32_t> path = {0};  // the nodes on the way to the last token
  for (const int32_t id : ids) {
    const std::span<const uint8_t> word = bytes(id);
    size_t common = 0;
    while (common < word.size() && common + 1 < path.size() &&
           nodes_[static_cast<size_t>(path[common + 1])].byte == word[common])
      common++;
    for (size_t d = common + 1; d < path.size(); d++)
      nodes_[static_cast<size_t>(path[d])].end = static_cast<int32_t>(nodes_.size());
    path.resize(common + 1);
    for (size_t d = common; d < word.size(); d++) {
      path.push_back(static_cast<int32_t>(nodes_.size()));
      nodes_.push_back({.depth = static_cast<uint16_t>(d + 1), .byte = word[d]});
    }
    int32_t* slot = &nodes_[static_cast<size_t>(path.back())].token;
    while (*slot >= 0) slot = &next_same_[static_cast<size_t>(*slot)];
    *slot = id;
    int32_t characters = 0, commas = 0;
    for (const uint8_t b : word) {
      characters += (b & 0xc0) != 0x80;
      commas += b == ',';
    }
    max_characters_ = std::max(max_characters_, characters + 1);
    max_commas_ = std::max(max_commas_, commas);
    max_depth_ = std::max(max_depth_, static_cast<int32_t>(word.size()));
  }
  for (const int32_t node : path) nodes_[static_cast<size_t>(node)].end = static_cast<int32_t>(nodes_.size());
}

}  // namespace owl3::constrain
