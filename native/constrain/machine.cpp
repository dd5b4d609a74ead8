#include "constrain/machine.h"

#include <algorithm>
#include <unordered_map>

namespace owl3::constrain {
namespace {

/// Values may lie in each other no deeper than this: a reader of the answer must not run out of stack.
constexpr int32_t max_depth = 500;
/// Configurations side by side. Further ones are not begun: what remains can still be completed.
constexpr size_t max_configurations = 256;

int32_t clip(int64_t value, int32_t limit) {
  return static_cast<int32_t>(std::min<int64_t>(std::max<int64_t>(value, 0), limit));
}

void write(std::string& out, int32_t value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

int32_t Machine::push(const Frame& frame, int32_t below) {
  pool_.push_back({frame, below, depth(below) + 1});
  return static_cast<int32_t>(pool_.size()) - 1;
}

void Machine::step(const Configuration& c, uint8_t byte, std::vector<Configuration>& out) {
  if (out.size() >= max_configurations) return;
  const Frame& top = c.top;
  switch (top.place) {
    case Place::value:
      return enter(top.id, c.below, byte, out);
    case Place::scalar: {
      const int32_t next = grammar_->row(top.state)[byte], label = grammar_->label(top.state);
      if (next >= 0)
        out.push_back({{.place = Place::scalar, .state = next}, c.below});
      else if (label >= 0)
        leave(c.below, label, byte, out);
      return;
    }
    case Place::counted: {
      const CountedForm& form = grammar_->counted(top.id);
      const int32_t next = grammar_->row(top.state)[byte];
      if (next < 0) return;
      if (next == grammar_->final_state()) {
        if (top.n >= form.min) complete(c.below, out);
        return;
      }
      // A character is counted when it begins, so that one that was begun always fits.
      const int32_t n = top.n + (top.state == form.state ? 1 : 0);
      if (n <= form.max) out.push_back({{.place = Place::counted, .id = top.id, .state = next, .n = n}, c.below});
      return;
    }
    case Place::array_open:
      if (byte == ']') {
        if (grammar_->array(top.id).min == 0) complete(c.below, out);
        return;
      }
      return item(top, c.below, byte, out);
    case Place::object_open:
      if (byte == '}' && closes(top)) complete(c.below, out);
      if (byte == '"') key(top, c.below, out);
      return;
    case Place::object_comma:
      if (byte == '"') key(top, c.below, out);
      return;
    case Place::named_key:
      return key_byte(c, byte, out);
    case Place::colon:
      if (byte == ':') {
        Frame below = top;
        below.place = Place::object_value;
        out.push_back({{.place = Place::value, .id = top.state}, push(below, c.below)});
      }
      return;
    case Place::array_item:
    case Place::other_key:
    case Place::object_value:
      return;  // can't happen: they are never on top
  }
}

void Machine::leave(int32_t below, int32_t label, uint8_t byte, std::vector<Configuration>& out) {
  if (below < 0) return;
  const Linked l = pool_[static_cast<size_t>(below)];
  Frame f = l.frame;
  switch (f.place) {
    case Place::array_item: {
      const ArrayForm& form = grammar_->array(f.id);
      if (byte == ']' && f.n >= form.min) return complete(l.below, out);
      const int32_t node = f.n < form.max ? grammar_->item_of(form, f.n) : -1;
      if (byte == ',' && node >= 0) {
        f.n++;
        out.push_back({{.place = Place::value, .id = node}, push(f, l.below)});
      }
      return;
    }
    case Place::object_value:
      if (byte == '}' && closes(f)) return complete(l.below, out);
      if (byte == ',' && (last_prop(f) >= f.prop || others_fit(f))) {
        f.place = Place::object_comma;
        out.push_back({f, l.below});
      }
      return;
    case Place::other_key: {
      const ObjectForm& form = grammar_->object(f.id);
      if (byte != ':' || label >= form.other_nodes.to - form.other_nodes.from) return;
      f.place = Place::object_value;
      f.others++;
      f.prop = form.props.to - form.props.from;
      const int32_t node = grammar_->item(form.other_nodes.from + label);
      out.push_back({{.place = Place::value, .id = node}, push(f, l.below)});
      return;
    }
    default:
      return;  // can't happen: the others are never below
  }
}

bool Machine::accepts(const Configuration& c) const {
  return c.below < 0 && c.top.place == Place::scalar && grammar_->label(c.top.state) >= 0;
}

/// A value that is complete is a scalar that no byte continues.
void Machine::complete(int32_t below, std::vector<Configuration>& out) const {
  out.push_back({{.place = Place::scalar, .state = grammar_->final_state()}, below});
}

void Machine::enter(int32_t node, int32_t below, uint8_t byte, std::vector<Configuration>& out) {
  const GrammarNode& g = grammar_->node(node);
  if (g.state >= 0)
    if (const int32_t next = grammar_->row(g.state)[byte]; next >= 0)
      out.push_back({{.place = Place::scalar, .state = next}, below});
  if (byte == '"')
    for (int32_t i = g.counted.from; i < g.counted.to; i++)
      out.push_back({{.place = Place::counted, .id = i, .state = grammar_->counted(i).state}, below});
  if (depth(below) >= max_depth) return;
  if (byte == '[')
    for (int32_t i = g.arrays.from; i < g.arrays.to; i++) out.push_back({{.place = Place::array_open, .id = i}, below});
  if (byte == '{')
    for (int32_t i = g.objects.from; i < g.objects.to; i++)
      out.push_back({{.place = Place::object_open, .id = i}, below});
}

void Machine::item(const Frame& array, int32_t below, uint8_t byte, std::vector<Configuration>& out) {
  const ArrayForm& form = grammar_->array(array.id);
  const int32_t node = form.max > 0 ? grammar_->item_of(form, 0) : -1;
  if (node < 0) return;
  const size_t before = mark();
  const size_t known = out.size();
  const int32_t frame = push({.place = Place::array_item, .id = array.id, .n = 1}, below);
  enter(node, frame, byte, out);
  if (out.size() == known) reset(before);
}

/// The last prop whose key may come now. Those from `prop` on to it may, since required ones can't be passed over.
int32_t Machine::last_prop(const Frame& object) const {
  const ObjectForm& form = grammar_->object(object.id);
  const int32_t count = form.props.to - form.props.from;
  const auto at = static_cast<size_t>(object.prop);
  int32_t last = std::min(form.next_required[at], count - 1);
  const int64_t begun = int64_t{object.n} + object.others + 1;
  if (begun > form.max) return -1;
  // Where only required ones fit, the next of them is the only one.
  if (begun + form.required_left[at] > form.max) return form.next_required[at] == object.prop ? object.prop : -1;
  // After it, enough must be left to reach the minimum.
  const int64_t reach = int64_t{object.n} + count + (form.other_state >= 0 ? 1 : 0) - form.min;
  return static_cast<int32_t>(std::min<int64_t>(last, reach));
}

/// Whether a key that is none of the props may come. Equal keys count once for the minimum, since a reader keeps one.
bool Machine::others_fit(const Frame& object) const {
  const ObjectForm& form = grammar_->object(object.id);
  return form.other_state >= 0 && form.required_left[static_cast<size_t>(object.prop)] == 0 &&
         int64_t{object.n} + object.others + 1 <= form.max && object.n + 1 >= form.min;
}

bool Machine::closes(const Frame& object) const {
  const ObjectForm& form = grammar_->object(object.id);
  return form.required_left[static_cast<size_t>(object.prop)] == 0 && object.n + std::min(object.others, 1) >= form.min;
}

void Machine::key(const Frame& object, int32_t below, std::vector<Configuration>& out) {
  Frame f = object;
  if (last_prop(object) >= object.prop) {
    f.place = Place::named_key;
    f.state = 0;
    out.push_back({f, below});
  }
  if (others_fit(object)) {
    f.place = Place::other_key;
    f.state = 0;
    const int32_t state = grammar_->object(object.id).other_state;
    out.push_back({{.place = Place::scalar, .state = state}, push(f, below)});
  }
}

void Machine::key_byte(const Configuration& c, uint8_t byte, std::vector<Configuration>& out) const {
  const KeyTree& tree = grammar_->object(c.top.id).keys;
  const auto& children = tree.nodes[static_cast<size_t>(c.top.state)].children;
  const auto child = std::lower_bound(children.begin(), children.end(), byte,
                                      [](const auto& entry, uint8_t b) { return entry.first < b; });
  if (child == children.end() || child->first != byte) return;
  const KeyTree::Node& node = tree.nodes[static_cast<size_t>(child->second)];
  const auto first = std::lower_bound(node.props.begin(), node.props.end(), c.top.prop);
  if (first == node.props.end() || *first > last_prop(c.top)) return;
  Frame f = c.top;
  if (node.prop >= 0) {
    f.place = Place::colon;
    f.state = grammar_->prop(grammar_->object(f.id), node.prop).node;
    f.prop = node.prop + 1;
    f.n++;
  } else {
    f.state = child->second;
  }
  out.push_back({f, c.below});
}

void Machine::tidy(std::vector<Configuration>& all) {
  // Frames are interned from the bottom up, so that equal stacks get the same number.
  std::vector<Linked> kept;
  std::unordered_map<std::string, int32_t> numbers;
  std::unordered_map<int32_t, int32_t> moved;
  const auto text = [](const Frame& f, int32_t below) {
    std::string s(1, static_cast<char>(f.place));
    for (const int32_t v : {f.id, f.state, f.n, f.prop, f.others, below}) write(s, v);
    return s;
  };
  std::vector<int32_t> path;
  std::vector<Configuration> distinct;
  std::unordered_map<std::string, bool> seen;
  for (Configuration& c : all) {
    path.clear();
    for (int32_t i = c.below; i >= 0 && !moved.contains(i); i = pool_[static_cast<size_t>(i)].below) path.push_back(i);
    for (auto i = path.rbegin(); i != path.rend(); ++i) {
      const Linked& l = pool_[static_cast<size_t>(*i)];
      const int32_t below = l.below < 0 ? -1 : moved.at(l.below);
      const auto [entry, fresh] = numbers.try_emplace(text(l.frame, below), static_cast<int32_t>(kept.size()));
      if (fresh) kept.push_back({l.frame, below, l.depth});
      moved[*i] = entry->second;
    }
    if (c.below >= 0) c.below = moved.at(c.below);
    if (seen.try_emplace(text(c.top, c.below), true).second && distinct.size() < max_configurations)
      distinct.push_back(c);
  }
  pool_ = std::move(kept);
  all = std::move(distinct);
}

void Machine::describe(const Configuration& c, int32_t max_characters, int32_t max_commas, std::string& out) const {
  const auto one = [&](const Frame& f) {
    out.push_back(static_cast<char>(f.place));
    write(out, f.id);
    write(out, f.state);
    switch (f.place) {
      case Place::counted: {
        const CountedForm& form = grammar_->counted(f.id);
        write(out, clip(int64_t{form.min} - f.n, max_characters));
        write(out, clip(int64_t{form.max} - f.n, max_characters));
        return;
      }
      case Place::array_item: {
        const ArrayForm& form = grammar_->array(f.id);
        const int32_t prefix = form.items.to - form.items.from;
        write(out, f.n < prefix ? f.n : prefix);
        write(out, clip(int64_t{form.min} - f.n, max_commas + 1));
        write(out, clip(int64_t{form.max} - f.n, max_commas + 1));
        return;
      }
      case Place::object_open:
      case Place::object_comma:
      case Place::named_key:
      case Place::colon:
      case Place::other_key:
      case Place::object_value: {
        const ObjectForm& form = grammar_->object(f.id);
        write(out, f.prop);
        write(out, form.min > 0 || form.max != unlimited ? f.n : 0);
        write(out, form.max != unlimited ? f.others : std::min(f.others, 1));
        return;
      }
      default:
        return;
    }
  };
  one(c.top);
  for (int32_t i = c.below; i >= 0; i = pool_[static_cast<size_t>(i)].below) one(pool_[static_cast<size_t>(i)].frame);
}

}  // namespace owl3::constrain
