// The tables of a grammar: which bytes an answer may consist of. A compiler writes them (src/constrain), and they are
// checked here, for they decide about memory.
//
// A node stands for a value. Scalars of a node are one automaton over bytes; strings whose characters are counted,
// arrays and objects are forms with counters, which live in the frames of a machine (machine.h), so that limits cost
// nothing here.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace owl3::constrain {

constexpr int32_t unlimited = INT32_MAX;

struct Tables {
  int32_t root = 0;         ///< the node of the whole answer
  int32_t final_state = 0;  ///< a state that accepts and that no byte leaves: a value that is complete

  std::vector<int32_t> edge_starts;  ///< [states + 1] into edges, in threes
  std::vector<int32_t> edges;        ///< first byte, last byte, target; in each state in rising order, disjoint
  std::vector<int32_t> labels;       ///< [states]: -1, or the state accepts; keys have several kinds of acceptance
  std::vector<int32_t> nodes;        ///< [nodes, 7]: state or -1; then from and to of counted, arrays, objects
  std::vector<int32_t> counted;      ///< [forms, 3]: state between characters, min, max
  std::vector<int32_t> arrays;       ///< [forms, 5]: from and to of items, node of further items or -1, min, max
  std::vector<int32_t> items;        ///< nodes
  std::vector<int32_t> objects;      ///< [forms, 7]: from and to of props, state of other keys or -1, from and to of
                                     ///< items (nodes of other keys by their label), min, max
  std::vector<int32_t> props;        ///< [props, 2]: node, whether it is required; in their order in the text
  std::vector<int32_t> key_starts;   ///< [props + 1] into keys
  std::vector<uint8_t> keys;         ///< each key as it is written after its opening quote, the closing one included
};

struct Range {
  int32_t from = 0, to = 0;
};
struct GrammarNode {
  int32_t state = -1;
  Range counted, arrays, objects;
};
struct CountedForm {
  int32_t state = 0, min = 0, max = 0;
};
struct ArrayForm {
  Range items;
  int32_t rest = -1, min = 0, max = 0;
};
struct Prop {
  int32_t node = 0;
  bool required = false;
};
/// The keys of an object as a tree of their bytes.
struct KeyTree {
  struct Node {
    std::vector<std::pair<uint8_t, int32_t>> children;  ///< in rising order of their bytes
    std::vector<int32_t> props;                         ///< the props below, rising
    int32_t prop = -1;                                  ///< the one whose key ends here
  };
  std::vector<Node> nodes;
};
struct ObjectForm {
  Range props;
  int32_t other_state = -1;
  Range other_nodes;
  int32_t min = 0, max = 0;
  KeyTree keys;                        ///< props are counted from 0 within the object
  std::vector<int32_t> next_required;  ///< [props + 1]: the first required one at or after, or the number of props
  std::vector<int32_t> required_left;  ///< [props + 1]: how many required ones are at or after
};

class Grammar {
 public:
  using Row = std::array<int32_t, 256>;

  /// Error{invalid_argument} when a number points outside of its table.
  explicit Grammar(const Tables& tables);

  int32_t root() const { return root_; }
  int32_t final_state() const { return final_state_; }
  size_t states() const { return labels_.size(); }
  int32_t label(int32_t state) const { return labels_[static_cast<size_t>(state)]; }
  /// The target of each byte, or -1. Rows are made when they are first asked for, so this is not for two threads.
  const Row& row(int32_t state) const;
  const GrammarNode& node(int32_t i) const { return nodes_[static_cast<size_t>(i)]; }
  const CountedForm& counted(int32_t i) const { return counted_[static_cast<size_t>(i)]; }
  const ArrayForm& array(int32_t i) const { return arrays_[static_cast<size_t>(i)]; }
  const ObjectForm& object(int32_t i) const { return objects_[static_cast<size_t>(i)]; }
  const Prop& prop(const ObjectForm& form, int32_t i) const { return props_[static_cast<size_t>(form.props.from + i)]; }
  int32_t item(int32_t i) const { return items_[static_cast<size_t>(i)]; }
  /// The node of an array's item, or -1 when there is none.
  int32_t item_of(const ArrayForm& form, int32_t index) const {
    return index < form.items.to - form.items.from ? item(form.items.from + index) : form.rest;
  }

 private:
  void read_states(const Tables& tables);
  void read_forms(const Tables& tables);
  void read_objects(const Tables& tables);

  int32_t root_, final_state_;
  std::vector<int32_t> edge_starts_, edges_, labels_, items_;
  std::vector<GrammarNode> nodes_;
  std::vector<CountedForm> counted_;
  std::vector<ArrayForm> arrays_;
  std::vector<ObjectForm> objects_;
  std::vector<Prop> props_;
  mutable std::vector<std::unique_ptr<Row>> rows_;
};

}  // namespace owl3::constrain
