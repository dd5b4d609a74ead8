// Which tokens may come next in an answer that follows a grammar.
#pragma once
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "constrain/grammar.h"
#include "constrain/inside.h"
#include "constrain/machine.h"
#include "constrain/vocabulary.h"

namespace owl3::constrain {

/// A grammar over a vocabulary, and the masks that were computed of it. All its matchers share them.
class Constraint {
 public:
  /// `shared` belongs to the vocabulary.
  Constraint(std::shared_ptr<const Vocabulary> vocabulary, std::shared_ptr<SharedInsides> shared, const Tables& tables);

  const Vocabulary& vocabulary() const { return *vocabulary_; }
  const Grammar& grammar() const { return grammar_; }
  /// Held while the grammar or its masks are used: matchers may live in several threads.
  std::mutex& mutex() { return mutex_; }
  /// Adds the tokens that may come in a configuration of `machine`, whose pool is left as it was.
  void add_tokens(Machine& machine, const Configuration& c, Mask& mask);

 private:
  const Inside& inside(int32_t state, int32_t boundary);
  std::shared_ptr<const Inside> try_tokens(int32_t state, int32_t boundary) const;
  std::string signature(int32_t state, int32_t boundary) const;
  void add_counted(const Inside& in, const Frame& top, Mask& mask) const;
  void add_exits(Machine& machine, const Inside& in, const Configuration& c, Mask& mask);
  void walk(Machine& machine, int32_t node, const std::vector<Configuration>& from, Mask& mask);

  std::shared_ptr<const Vocabulary> vocabulary_;
  std::shared_ptr<SharedInsides> shared_;
  Grammar grammar_;
  std::mutex mutex_;
  std::unordered_map<int64_t, std::shared_ptr<const Inside>> inside_;
  std::unordered_map<std::string, Mask> masks_;
  std::vector<std::vector<Configuration>> levels_;
  std::vector<size_t> marks_;
};

class Matcher {
 public:
  explicit Matcher(std::shared_ptr<Constraint> constraint);

  /// The ids that may come next; those that end the answer are among them when it may end here. It is valid until
  /// the next call. Error{unsupported} when none may: values lie in each other too deeply.
  const Mask& mask();
  /// Takes an id that may come next. Error{invalid_argument} for any other.
  void accept(int32_t id);
  /// Whether the answer may end here, and whether it must.
  bool accepts() const;
  bool complete();
  /// The bytes that must come next, at most `max` of them: as far as there is no choice.
  std::vector<uint8_t> forced(size_t max);

 private:
  bool feed(Machine& machine, std::vector<Configuration>& all, uint8_t byte) const;

  std::shared_ptr<Constraint> constraint_;
  Machine machine_;
  std::vector<Configuration> configurations_;
  bool ended_ = false;
  Mask mask_;
  bool known_ = false;  // whether mask_ is that of the present configurations
};

}  // namespace owl3::constrain
