// The tokens of a model as a tree of their bytes, so that tokens with a common beginning are tried together.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/id_set.h"

namespace owl3::constrain {

/// The ids that may come, as a set (base/id_set.h).
using Mask = std::vector<uint64_t>;

class Vocabulary {
 public:
  /// A node of the tree, which stands for the bytes on the way to it. Nodes are in depth-first order, so that the nodes
  /// below node i are those from i + 1 up to, not including, its `end`.
  struct Node {
    int32_t end = 0;
    int32_t token = -1;  ///< the first id with exactly these bytes, or -1; next_same() tells the others
    uint16_t depth = 0;  ///< bytes on the way; 0: the root
    uint8_t byte = 0;    ///< the last of them
  };

  /// `starts` [n + 1] says where the bytes of each id begin in `bytes`; an id without bytes is never allowed. `ends`
  /// are the ids that end an answer. Error{invalid_argument} when the numbers don't fit together.
  Vocabulary(std::vector<uint8_t> bytes, std::vector<int32_t> starts, std::vector<int32_t> ends);

  size_t size() const { return starts_.size() - 1; }
  size_t words() const { return (size() + 63) / 64; }
  std::span<const uint8_t> bytes(int32_t id) const;
  std::span<const Node> nodes() const { return nodes_; }
  /// The next id with the same bytes, or -1.
  int32_t next_same(int32_t id) const { return next_same_[static_cast<size_t>(id)]; }
  std::span<const int32_t> ends() const { return ends_; }
  bool is_end(int32_t id) const;

  /// The most characters, and the most commas, that one token has: counters that are further than that from their limits
  /// give the same masks.
  int32_t max_characters() const { return max_characters_; }
  int32_t max_commas() const { return max_commas_; }
  /// The most bytes that one has.
  int32_t max_depth() const { return max_depth_; }

  /// Adds the ids with the bytes of a node.
  void add(Mask& mask, const Node& node) const {
    for (int32_t id = node.token; id >= 0; id = next_same(id)) owl3::add(mask, static_cast<size_t>(id));
  }

 private:
  void build_tree();

  std::vector<uint8_t> bytes_;
  std::vector<int32_t> starts_, ends_, next_same_;
  std::vector<Node> nodes_;
  int32_t max_characters_ = 0, max_commas_ = 0, max_depth_ = 0;
};

}  // namespace owl3::constrain
