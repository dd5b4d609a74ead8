#include "constrain/matcher.h"

#include <algorithm>

#include "base/error.h"

namespace owl3::constrain {
namespace {

/// Masks that are kept: 20 kB each with 150,000 ids. When there are more, all are dropped, which is rare.
constexpr size_t max_masks = 2048;
constexpr size_t max_insides = 1024;
/// Larger automata are seldom the same in two grammars.
constexpr size_t max_shared_states = 64;

void unite(Mask& mask, const Mask& other) {
  for (size_t i = 0; i < mask.size(); i++) mask[i] |= other[i];
}
void set(Mask& mask, int32_t id) {
  add(mask, static_cast<size_t>(id));
}
void clear(Mask& mask, int32_t id) {
  remove(mask, static_cast<size_t>(id));
}

}  // namespace

Constraint::Constraint(std::shared_ptr<const Vocabulary> vocabulary, std::shared_ptr<SharedInsides> shared,
                       const Tables& tables)
    : vocabulary_(std::move(vocabulary)), shared_(std::move(shared)), grammar_(tables) {}

void Constraint::add_tokens(Machine& machine, const Configuration& c, Mask& mask) {
  std::string key;
  machine.describe(c, vocabulary_->max_characters(), vocabulary_->max_commas(), key);
  if (const auto known = masks_.find(key); known != masks_.end()) return unite(mask, known->second);
  Mask own(vocabulary_->words());
  if (c.top.place == Place::scalar) {
    const Inside& in = inside(c.top.state, -1);
    unite(own, in.whole);
    add_exits(machine, in, c, own);
  } else if (c.top.place == Place::counted) {
    const Inside& in = inside(c.top.state, grammar_.counted(c.top.id).state);
    add_counted(in, c.top, own);
    add_exits(machine, in, c, own);
  } else {
    walk(machine, 0, {c}, own);
  }
  unite(mask, own);
  if (masks_.size() >= max_masks) masks_.clear();
  masks_.emplace(std::move(key), std::move(own));
}

/// The tokens from a state of a scalar. With `boundary`, the state between characters, those are counted.
const Inside& Constraint::inside(int32_t state, int32_t boundary) {
  const int64_t key = int64_t{state} << 32 | static_cast<uint32_t>(boundary);
  if (const auto known = inside_.find(key); known != inside_.end()) return *known->second;
  if (inside_.size() >= max_insides) inside_.clear();
  const std::string text = signature(state, boundary);
  std::shared_ptr<const Inside> found = text.empty() ? nullptr : shared_->find(text);
  if (!found) {
    found = try_tokens(state, boundary);
    if (!text.empty()) shared_->add(text, found);
  }
  return *(inside_[key] = std::move(found));
}

/// A text of the automaton from a state on, the same in every grammar; empty when it is large. It tells a counted
/// string from a scalar even where its boundary is not reached, since their insides differ.
std::string Constraint::signature(int32_t state, int32_t boundary) const {
  std::vector<int32_t> order = {state};
  std::unordered_map<int32_t, int32_t> numbers = {{state, 0}};
  std::string text;
  const auto write = [&](int32_t v) { text.append(reinterpret_cast<const char*>(&v), sizeof v); };
  write(boundary >= 0 ? 1 : 0);
  for (size_t i = 0; i < order.size(); i++) {
    const int32_t s = order[i];
    write(grammar_.label(s));
    write((s == boundary ? 1 : 0) + (s == grammar_.final_state() ? 2 : 0));
    const Grammar::Row& row = grammar_.row(s);
    for (size_t byte = 0; byte < 256; byte++) {
      if (row[byte] < 0 || (byte > 0 && row[byte] == row[byte - 1])) continue;
      const auto [entry, fresh] = numbers.try_emplace(row[byte], static_cast<int32_t>(order.size()));
      if (fresh) order.push_back(row[byte]);
      size_t last = byte;
      while (last < 255 && row[last + 1] == row[byte]) last++;
      write(static_cast<int32_t>(byte << 8 | last));
      write(entry->second);
    }
    if (order.size() > max_shared_states) return {};
    write(-2);
  }
  return text;
}

std::shared_ptr<const Inside> Constraint::try_tokens(int32_t state, int32_t boundary) const {
  auto in = std::make_shared<Inside>();
  in->whole.assign(vocabulary_->words(), 0);
  if (boundary >= 0) in->by_characters.resize(static_cast<size_t>(vocabulary_->max_characters()) + 1);
  const std::span<const Vocabulary::Node> nodes = vocabulary_->nodes();
  struct Step {
    const int32_t* row = nullptr;
    int32_t state = 0, characters = 0;
  };
  std::vector<Step> steps(static_cast<size_t>(vocabulary_->max_depth()) + 1);
  steps[0] = {grammar_.row(state).data(), state, 0};
  for (size_t i = 1; i < nodes.size();) {
    const Vocabulary::Node& node = nodes[i];
    const Step& from = steps[node.depth - 1u];
    const int32_t to = from.row[node.byte];
    if (to < 0) {
      // A counted string ends by its quote alone.
      const bool ends = boundary < 0 || from.state == grammar_.final_state();
      if (const int32_t label = grammar_.label(from.state); ends && label >= 0)
        in->exits[node.byte].push_back({static_cast<int32_t>(i), label, from.characters});
      i = static_cast<size_t>(node.end);
      continue;
    }
    const bool closes = boundary >= 0 && to == grammar_.final_state();
    const int32_t characters = from.characters + (from.state == boundary && !closes ? 1 : 0);
    steps[node.depth] = {to == from.state ? from.row : grammar_.row(to).data(), to, characters};
    for (int32_t id = node.token; id >= 0; id = vocabulary_->next_same(id)) {
      if (closes) {
        in->closing.emplace_back(characters, id);
      } else {
        set(in->whole, id);
        if (boundary >= 0) in->by_characters[static_cast<size_t>(characters)].push_back(id);
      }
    }
    i++;
  }
  return in;
}

void Constraint::add_counted(const Inside& in, const Frame& top, Mask& mask) const {
  const CountedForm& form = grammar_.counted(top.id);
  const int64_t room = int64_t{form.max} - top.n, need = int64_t{form.min} - top.n;
  const auto limit = static_cast<int64_t>(in.by_characters.size()) - 1;
  if (room >= limit / 4) {  // most fit
    unite(mask, in.whole);
    for (int64_t n = limit; n > room; n--)
      for (const int32_t id : in.by_characters[static_cast<size_t>(n)]) clear(mask, id);
  } else {
    for (int64_t n = 0; n <= room; n++)
      for (const int32_t id : in.by_characters[static_cast<size_t>(n)]) set(mask, id);
  }
  for (const auto& [characters, id] : in.closing)
    if (characters >= need && characters <= room) set(mask, id);
}

void Constraint::add_exits(Machine& machine, const Inside& in, const Configuration& c, Mask& mask) {
  if (c.below < 0) return;
  const bool counted = c.top.place == Place::counted;
  int64_t need = 0, room = unlimited;
  if (counted) {
    const CountedForm& form = grammar_.counted(c.top.id);
    need = int64_t{form.min} - c.top.n;
    room = int64_t{form.max} - c.top.n;
  }
  const size_t mark = machine.mark();
  for (size_t byte = 0; byte < 256; byte++) {
    if (in.exits[byte].empty()) continue;
    int32_t label = -1;
    std::vector<Configuration> after;
    for (const Inside::Exit& exit : in.exits[byte]) {
      if (exit.characters < need || exit.characters > room) continue;
      if (exit.label != label) {
        label = exit.label;
        after.clear();
        machine.reset(mark);
        machine.leave(c.below, label, static_cast<uint8_t>(byte), after);
      }
      if (after.empty()) continue;
      vocabulary_->add(mask, vocabulary_->nodes()[static_cast<size_t>(exit.node)]);
      walk(machine, exit.node, after, mask);
    }
    machine.reset(mark);
  }
}

/// Adds the tokens below a node, when what was read up to it has led to `from`.
void Constraint::walk(Machine& machine, int32_t node, const std::vector<Configuration>& from, Mask& mask) {
  const std::span<const Vocabulary::Node> nodes = vocabulary_->nodes();
  const size_t base = nodes[static_cast<size_t>(node)].depth, mark = machine.mark();
  const auto end = static_cast<size_t>(nodes[static_cast<size_t>(node)].end);
  if (levels_.empty()) levels_.resize(1), marks_.resize(1);
  levels_[0] = from;
  marks_[0] = mark;
  for (auto i = static_cast<size_t>(node) + 1; i < end;) {
    const size_t level = nodes[i].depth - base;
    if (levels_.size() <= level) levels_.resize(level + 1), marks_.resize(level + 1);
    machine.reset(marks_[level - 1]);
    levels_[level].clear();
    for (const Configuration& c : levels_[level - 1]) machine.step(c, nodes[i].byte, levels_[level]);
    marks_[level] = machine.mark();
    if (levels_[level].empty()) {
      i = static_cast<size_t>(nodes[i].end);
      continue;
    }
    vocabulary_->add(mask, nodes[i]);
    i++;
  }
  machine.reset(mark);
}

Matcher::Matcher(std::shared_ptr<Constraint> constraint)
    : constraint_(std::move(constraint)), machine_(constraint_->grammar()), configurations_({machine_.start()}) {}

const Mask& Matcher::mask() {
  if (known_) return mask_;
  const std::lock_guard lock(constraint_->mutex());
  mask_.assign(constraint_->vocabulary().words(), 0);
  if (!ended_)
    for (const Configuration& c : configurations_) constraint_->add_tokens(machine_, c, mask_);
  if (accepts())
    for (const int32_t id : constraint_->vocabulary().ends()) set(mask_, id);
  if (std::all_of(mask_.begin(), mask_.end(), [](uint64_t word) { return word == 0; }))
    throw Error(ErrorCode::unsupported, "the answer can't be continued: its values lie in each other too deeply");
  known_ = true;
  return mask_;
}

bool Matcher::accepts() const {
  return ended_ || std::any_of(configurations_.begin(), configurations_.end(),
                               [&](const Configuration& c) { return machine_.accepts(c); });
}

/// Replaces configurations by what they become; false, and nothing changed but the pool, when the byte may not come.
bool Matcher::feed(Machine& machine, std::vector<Configuration>& all, uint8_t byte) const {
  std::vector<Configuration> next;
  for (const Configuration& c : all) machine.step(c, byte, next);
  if (next.empty()) return false;
  all = std::move(next);
  return true;
}

void Matcher::accept(int32_t id) {
  const Vocabulary& v = constraint_->vocabulary();
  const auto refuse = [] { throw Error(ErrorCode::invalid_argument, "this id may not come next in the answer"); };
  if (id < 0 || static_cast<size_t>(id) >= v.size() || ended_) refuse();
  if (v.is_end(id)) {
    if (!accepts()) refuse();
    ended_ = true;
  } else {
    const std::lock_guard lock(constraint_->mutex());
    const std::span<const uint8_t> bytes = v.bytes(id);
    std::vector<Configuration> next = configurations_;
    if (bytes.empty()) refuse();
    const size_t mark = machine_.mark();
    for (const uint8_t byte : bytes)
      if (!feed(machine_, next, byte)) {
        machine_.reset(mark);
        refuse();
      }
    configurations_ = std::move(next);
    machine_.tidy(configurations_);
  }
  known_ = false;
}

bool Matcher::complete() {
  if (ended_) return true;
  if (!accepts()) return false;
  const std::lock_guard lock(constraint_->mutex());
  const size_t mark = machine_.mark();
  bool more = false;
  std::vector<Configuration> next;
  for (int byte = 0; byte < 256 && !more; byte++) {
    for (const Configuration& c : configurations_) machine_.step(c, static_cast<uint8_t>(byte), next);
    more = !next.empty();
  }
  machine_.reset(mark);
  return !more;
}

std::vector<uint8_t> Matcher::forced(size_t max) {
  const std::lock_guard lock(constraint_->mutex());
  std::vector<uint8_t> out;
  Machine machine = machine_;
  std::vector<Configuration> all = configurations_;
  const auto may_end = [&] {
    return std::any_of(all.begin(), all.end(), [&](const Configuration& c) { return machine.accepts(c); });
  };
  while (!ended_ && out.size() < max && !may_end()) {
    int only = -1, possible = 0;
    std::vector<Configuration> next;
    for (int byte = 0; byte < 256 && possible < 2; byte++) {
      next.clear();
      const size_t mark = machine.mark();
      for (const Configuration& c : all) machine.step(c, static_cast<uint8_t>(byte), next);
      machine.reset(mark);
      if (next.empty()) continue;
      possible++;
      only = byte;
    }
    if (possible != 1) break;
    feed(machine, all, static_cast<uint8_t>(only));
    out.push_back(static_cast<uint8_t>(only));
  }
  return out;
}

}  // namespace owl3::constrain
