#include "constrain/grammar.h"

#include <algorithm>

#include "base/error.h"

namespace owl3::constrain {
namespace {

void check(bool good, const char* what) {
  if (!good) throw Error(ErrorCode::invalid_argument, what);
}

/// A row of a table of int32 numbers.
std::span<const int32_t> record(const std::vector<int32_t>& table, size_t i, size_t width) {
  return std::span(table).subspan(i * width, width);
}
size_t records(const std::vector<int32_t>& table, size_t width, const char* what) {
  check(table.size() % width == 0, what);
  return table.size() / width;
}
Range range(int32_t from, int32_t to, size_t size, const char* what) {
  check(from >= 0 && from <= to && static_cast<size_t>(to) <= size, what);
  return {from, to};
}
void check_index(int32_t i, size_t size, const char* what) {
  check(i >= 0 && static_cast<size_t>(i) < size, what);
}
void check_limits(int32_t min, int32_t max) {
  check(min >= 0 && min <= max, "a form's limits are not in order");
}

KeyTree key_tree(const Tables& t, Range props) {
  KeyTree tree;
  tree.nodes.emplace_back();
  for (int32_t p = props.from; p < props.to; p++) {
    const int32_t from = t.key_starts[static_cast<size_t>(p)], to = t.key_starts[static_cast<size_t>(p) + 1];
    check(to > from, "a key is empty");
    size_t at = 0;
    for (int32_t i = from; i < to; i++) {
      check(tree.nodes[at].prop < 0, "a key begins with another key");
      tree.nodes[at].props.push_back(p - props.from);
      const uint8_t byte = t.keys[static_cast<size_t>(i)];
      auto& children = tree.nodes[at].children;
      auto child = std::lower_bound(children.begin(), children.end(), byte,
                                    [](const auto& entry, uint8_t b) { return entry.first < b; });
      if (child == children.end() || child->first != byte) {
        child = children.insert(child, {byte, static_cast<int32_t>(tree.nodes.size())});
        at = static_cast<size_t>(child->second);
        tree.nodes.emplace_back();
      } else {
        at = static_cast<size_t>(child->second);
      }
    }
    KeyTree::Node& last = tree.nodes[at];
    check(last.prop < 0 && last.children.empty(), "a key begins with another key");
    last.prop = p - props.from;
    last.props.push_back(last.prop);
  }
  return tree;
}

}  // namespace

Grammar::Grammar(const Tables& t) : root_(t.root), final_state_(t.final_state) {
  read_states(t);
  read_forms(t);
  read_objects(t);
}

void Grammar::read_states(const Tables& t) {
  const size_t states = t.labels.size(), edges = records(t.edges, 3, "edges come in threes");
  check(t.edge_starts.size() == states + 1, "there must be a start of edges for each state");
  // In order first, so that every start lies within the edges before one is read.
  check(t.edge_starts.front() == 0 && static_cast<size_t>(t.edge_starts.back()) == edges &&
            std::is_sorted(t.edge_starts.begin(), t.edge_starts.end()),
        "the starts of the edges don't fit them");
  for (size_t s = 0; s < states; s++) {
    int32_t last = -1;
    for (int32_t e = t.edge_starts[s]; e < t.edge_starts[s + 1]; e++) {
      const auto edge = record(t.edges, static_cast<size_t>(e), 3);
      check(edge[0] > last && edge[0] <= edge[1] && edge[1] < 256, "the bytes of edges are not in order");
      check_index(edge[2], states, "an edge leads to no state");
      last = edge[1];
    }
    check(t.labels[s] >= -1, "a label is out of range");
  }
  check_index(final_state_, states, "the final state is no state");
  const auto final = static_cast<size_t>(final_state_);
  check(t.labels[final] >= 0 && t.edge_starts[final] == t.edge_starts[final + 1],
        "the final state must accept and have no edges");
  edge_starts_ = t.edge_starts;
  edges_ = t.edges;
  labels_ = t.labels;
  rows_.resize(states);
}

void Grammar::read_forms(const Tables& t) {
  const size_t nodes = records(t.nodes, 7, "nodes have seven numbers"),
               counted = records(t.counted, 3, "counted strings have three numbers"),
               arrays = records(t.arrays, 5, "arrays have five numbers"),
               objects = records(t.objects, 7, "objects have seven numbers");
  for (const int32_t node : t.items) check_index(node, nodes, "an item is no node");
  items_ = t.items;
  for (size_t i = 0; i < nodes; i++) {
    const auto r = record(t.nodes, i, 7);
    check(r[0] >= -1 && r[0] < static_cast<int32_t>(states()), "the state of a node is no state");
    nodes_.push_back({.state = r[0],
                      .counted = range(r[1], r[2], counted, "the strings of a node are out of range"),
                      .arrays = range(r[3], r[4], arrays, "the arrays of a node are out of range"),
                      .objects = range(r[5], r[6], objects, "the objects of a node are out of range")});
  }
  check_index(root_, nodes, "the root is no node");
  for (size_t i = 0; i < counted; i++) {
    const auto r = record(t.counted, i, 3);
    check_index(r[0], states(), "the state of a counted string is no state");
    check(r[0] != final_state_, "a counted string begins at its end");
    // Masks have room for as many characters as a token has by its bytes, so none may begin with one that continues.
    const Row& between = row(r[0]);
    check(std::all_of(between.begin() + 0x80, between.begin() + 0xc0, [](int32_t target) { return target < 0; }),
          "a character of a counted string begins with a byte that continues one");
    check_limits(r[1], r[2]);
    counted_.push_back({r[0], r[1], r[2]});
  }
  for (size_t i = 0; i < arrays; i++) {
    const auto r = record(t.arrays, i, 5);
    const Range prefix = range(r[0], r[1], items_.size(), "the items of an array are out of range");
    check(r[2] >= -1 && r[2] < static_cast<int32_t>(nodes), "the node of further items is no node");
    check_limits(r[3], r[4]);
    check(r[2] >= 0 || r[4] <= prefix.to - prefix.from, "an array wants items that it has no node for");
    arrays_.push_back({.items = prefix, .rest = r[2], .min = r[3], .max = r[4]});
  }
}

void Grammar::read_objects(const Tables& t) {
  const size_t props = records(t.props, 2, "props have two numbers");
  check(t.key_starts.size() == props + 1 && t.key_starts.front() == 0 &&
            static_cast<size_t>(t.key_starts.back()) == t.keys.size() &&
            std::is_sorted(t.key_starts.begin(), t.key_starts.end()),
        "the starts of the keys don't fit them");
  for (size_t i = 0; i < props; i++) {
    const auto r = record(t.props, i, 2);
    check_index(r[0], nodes_.size(), "the node of a key is no node");
    props_.push_back({.node = r[0], .required = r[1] != 0});
  }
  // Several objects may share props, but that must not multiply memory without bound.
  size_t key_bytes = 0;
  for (size_t i = 0; i < t.objects.size() / 7; i++) {
    const auto r = record(t.objects, i, 7);
    ObjectForm form;
    form.props = range(r[0], r[1], props, "the props of an object are out of range");
    form.other_state = r[2];
    form.other_nodes = range(r[3], r[4], items_.size(), "the nodes of other keys are out of range");
    form.min = r[5];
    form.max = r[6];
    check_limits(form.min, form.max);
    check(r[2] >= -1 && r[2] < static_cast<int32_t>(states()), "the state of other keys is no state");
    key_bytes += static_cast<size_t>(t.key_starts[static_cast<size_t>(r[1])] - t.key_starts[static_cast<size_t>(r[0])]);
    check(key_bytes <= size_t{1} << 26, "the keys are too long");
    form.keys = key_tree(t, form.props);
    const int32_t n = form.props.to - form.props.from;
    form.next_required.assign(static_cast<size_t>(n) + 1, n);
    form.required_left.assign(static_cast<size_t>(n) + 1, 0);
    for (int32_t p = n - 1; p >= 0; p--) {
      const auto at = static_cast<size_t>(p);
      const bool required = prop(form, p).required;
      form.next_required[at] = required ? p : form.next_required[at + 1];
      form.required_left[at] = form.required_left[at + 1] + (required ? 1 : 0);
    }
    objects_.push_back(std::move(form));
  }
}

const Grammar::Row& Grammar::row(int32_t state) const {
  const auto s = static_cast<size_t>(state);
  if (!rows_[s]) {
    rows_[s] = std::make_unique<Row>();
    rows_[s]->fill(-1);
    for (int32_t e = edge_starts_[s]; e < edge_starts_[s + 1]; e++) {
      const auto edge = record(edges_, static_cast<size_t>(e), 3);
      std::fill(rows_[s]->begin() + edge[0], rows_[s]->begin() + edge[1] + 1, edge[2]);
    }
  }
  return *rows_[s];
}

}  // namespace owl3::constrain
