// Logits -> token. Penalties, then temperature, top-k, top-p and min-p in the order of Hugging Face's generate(); equal
// logits are ordered by id, so a seed gives the same answer everywhere the logits are the same.
#pragma once
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "ops/pick.h"
#include "sample/random.h"

namespace owl3::sample {

struct SamplerOptions {
  float temperature = 0;         ///< 0: greedy
  int32_t top_k = 0;             ///< 0: off
  float top_p = 1;               ///< 1: off
  float min_p = 0;               ///< 0: off
  float repetition_penalty = 1;  ///< 1: off; on ids of prompt and answer: logit > 0 divided by it, else multiplied
  float presence_penalty = 0;    ///< subtracted once from ids of the answer
  float frequency_penalty = 0;   ///< subtracted as often as they occurred
  uint32_t seed = 0;
  int32_t logprobs = 0;  ///< alternatives to report
};

struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;  ///< log softmax of the raw logits
};

struct Sampled {
  TokenLogprob token;
  std::vector<TokenLogprob> top;
};

/// Throws Error{bad_model} when the row's logits are not finite numbers: the weights are damaged then.
void check_finite(const ops::Picked& row);

/// Log-probabilities of the first k that were picked of a row, in falling order. Error{bad_model} when the row's logits
/// are not finite numbers.
std::vector<TokenLogprob> top_logprobs(const ops::Picked& row, int32_t k);

/// A set of ids (base/id_set.h); without words it holds all ids.
using Allowed = std::span<const uint64_t>;

/// Log-probabilities of the first k ids of a set in a row of logits [V] whose numbers `picked` are, in falling order.
/// They are those of the whole vocabulary. Error{bad_model} as above.
std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, const ops::Picked& picked, int32_t k,
                                       Allowed allowed);

/// The log-probability of one id of a row of logits [V] whose numbers `picked` are. Error{bad_model} as above.
TokenLogprob logprob(std::span<const float> logits, const ops::Picked& picked, int32_t id);

class Sampler {
 public:
  /// Error{invalid_argument} for options out of range.
  explicit Sampler(const SamplerOptions& options);

  /// Starts over with the prompt's ids; the random state starts over too.
  void reset(std::span<const int32_t> prompt);
  /// How many of a row's largest logits are enough to draw from; 0: the whole row is needed.
  int32_t candidates_needed() const;
  /// Whether it draws the largest logit, without penalties.
  bool greedy() const { return options_.temperature == 0 && !penalises(); }
  /// Draws an id and adds it to the history: from at least candidates_needed() picked logits, or from a whole row [V].
  /// Both give the same. Error{bad_model} when the logits are not finite numbers.
  Sampled sample(const ops::Picked& row);
  Sampled sample(std::span<const float> logits);
  /// Draws one of `allowed`, which must hold an id of the row: others are left out before anything else is done. The
  /// reported log-probabilities are those of the whole row.
  Sampled sample(std::span<const float> logits, Allowed allowed);
  /// Adds an id that was chosen elsewhere.
  void accept(int32_t id) { seen_[id]++; }

 private:
  struct Candidate {
    float logit;
    int32_t id;
  };
  int32_t choose(std::span<const float> logits, Allowed allowed);
  void penalise(std::span<const float> logits);
  bool penalises() const;
  void gather(std::span<const float> logits);
  size_t nucleus(size_t kept, float max);
  size_t draw();

  SamplerOptions options_;
  Random random_;
  std::unordered_map<int32_t, int32_t> seen_;  // id -> times in the answer (0: prompt only)
  std::vector<float> allowed_, penalised_;
  std::vector<Candidate> candidates_;
};

}  // namespace owl3::sample
