// A pushdown machine over the bytes of an answer. A configuration is a stack of frames; where a grammar leaves open which
// of several forms a value will have, there are several configurations side by side. Every configuration that exists can
// be completed, so that a walk through the allowed bytes never gets stuck.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "constrain/grammar.h"

namespace owl3::constrain {

enum class Place : uint8_t {
  value,         ///< id: node; a value begins
  scalar,        ///< state: within a scalar or a key, or after a value that is complete
  counted,       ///< id: form; state; n: characters so far
  array_open,    ///< id: form; after the bracket
  array_item,    ///< id: form; n: items begun; what lies above is the last of them
  object_open,   ///< id: form; after the brace
  object_comma,  ///< id, n, others, prop: after a comma
  named_key,     ///< id, n, others, prop; state: node of the key tree
  colon,         ///< id, n, others, prop; state: the grammar's node of the value
  other_key,     ///< id, n, others, prop; the key lies above
  object_value,  ///< id, n, others, prop; the value lies above
};

struct Frame {
  Place place = Place::value;
  int32_t id = 0;
  int32_t state = 0;
  int32_t n = 0;       ///< characters, items, or named keys so far
  int32_t prop = 0;    ///< the first prop that may still come
  int32_t others = 0;  ///< other keys so far
};

/// The frame on top, and the number of the one below in the machine's pool (-1: none).
struct Configuration {
  Frame top;
  int32_t below = -1;
};

class Machine {
 public:
  explicit Machine(const Grammar& grammar) : grammar_(&grammar) {}

  Configuration start() const { return {{.place = Place::value, .id = grammar_->root()}, -1}; }
  /// Appends what a configuration becomes by a byte; nothing, when the byte may not come.
  void step(const Configuration& c, uint8_t byte, std::vector<Configuration>& out);
  /// Appends what comes of a byte after the scalar on top of `below` has ended with a label.
  void leave(int32_t below, int32_t label, uint8_t byte, std::vector<Configuration>& out);
  /// Whether the answer may end here.
  bool accepts(const Configuration& c) const;

  /// Frames below the tops; a walk cuts the pool back to its size before.
  size_t mark() const { return pool_.size(); }
  void reset(size_t mark) { pool_.resize(mark); }
  /// Drops frames that no configuration has, and configurations that are the same.
  void tidy(std::vector<Configuration>& all);
  /// Writes the stack of a configuration so that equal texts have equal masks; counters further than these from their
  /// limits count as the same. With INT32_MAX the text is exact.
  void describe(const Configuration& c, int32_t max_characters, int32_t max_commas, std::string& out) const;

 private:
  struct Linked {
    Frame frame;
    int32_t below = -1, depth = 0;
  };
  int32_t push(const Frame& frame, int32_t below);
  int32_t depth(int32_t below) const { return below < 0 ? 0 : pool_[static_cast<size_t>(below)].depth; }
  void enter(int32_t node, int32_t below, uint8_t byte, std::vector<Configuration>& out);
  void complete(int32_t below, std::vector<Configuration>& out) const;
  void item(const Frame& array, int32_t below, uint8_t byte, std::vector<Configuration>& out);
  void key(const Frame& object, int32_t below, std::vector<Configuration>& out);
  void key_byte(const Configuration& c, uint8_t byte, std::vector<Configuration>& out) const;
  int32_t last_prop(const Frame& object) const;
  bool others_fit(const Frame& object) const;
  bool closes(const Frame& object) const;

  const Grammar* grammar_;
  std::vector<Linked> pool_;
};

}  // namespace owl3::constrain
