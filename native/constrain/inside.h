// The tokens that may come within a scalar: the work of a whole vocabulary, which is kept.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "constrain/vocabulary.h"

namespace owl3::constrain {

/// The tokens that begin in a state of a scalar. Those within it depend on the state alone; those that go on after its
/// end depend on what is below.
struct Inside {
  /// A place in the tree where the scalar may have ended: the node's byte belongs to what comes after.
  struct Exit {
    int32_t node = 0, label = 0, characters = 0;
  };
  Mask whole;                                        ///< tokens within the scalar, or up to its very end
  std::vector<std::vector<int32_t>> by_characters;   ///< counted strings: those within, by characters begun
  std::vector<std::pair<int32_t, int32_t>> closing;  ///< counted strings: characters and id of those that end it
  std::array<std::vector<Exit>, 256> exits;          ///< by the byte that comes after
};

/// The insides that grammars of a vocabulary have in common, above all those of strings with any content, by the text of
/// their automata.
class SharedInsides {
 public:
  std::shared_ptr<const Inside> find(const std::string& signature) {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(signature);
    return known == known_.end() ? nullptr : known->second;
  }
  void add(const std::string& signature, std::shared_ptr<const Inside> inside) {
    const std::lock_guard lock(mutex_);
    if (known_.size() >= max_known) known_.clear();
    known_.emplace(signature, std::move(inside));
  }

 private:
  static constexpr size_t max_known = 64;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const Inside>> known_;
};

}  // namespace owl3::constrain
