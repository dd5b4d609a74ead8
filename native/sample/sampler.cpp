#include "sample/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/id_set.h"
#include "ops/exp.h"

namespace owl3::sample {
namespace {

/// More candidates than this are cheaper to take from the whole row.
constexpr int32_t max_picked = 1024;

TokenLogprob logprob(int32_t id, float logit, const ops::Picked& row) {
  return {id, static_cast<float>(static_cast<double>(logit) - row.log_sum_exp)};
}

/// Copies logits; those of ids that a set lacks become minus infinity.
void mask(std::span<const float> logits, Allowed allowed, std::span<float> out) {
  for (size_t i = 0; i < logits.size(); i++) out[i] = contains(allowed, i) ? logits[i] : -INFINITY;
}

void check(bool good, const char* what) {
  if (!good) throw Error(ErrorCode::invalid_argument, what);
}

}  // namespace

void check_finite(const ops::Picked& row) {
  if (std::isnan(row.log_sum_exp))
    throw Error(ErrorCode::bad_model, "the model computed logits that are no finite numbers: its weights are damaged");
}

std::vector<TokenLogprob> top_logprobs(const ops::Picked& row, int32_t k) {
  check_finite(row);
  std::vector<TokenLogprob> top;
  const size_t n = std::min(static_cast<size_t>(std::max(k, 0)), row.ids.size());
  for (size_t i = 0; i < n; i++) top.push_back(logprob(row.ids[i], row.logits[i], row));
  return top;
}

std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, const ops::Picked& picked, int32_t k,
                                       Allowed allowed) {
  if (allowed.empty()) return top_logprobs(picked, k);
  check_finite(picked);
  std::vector<float> left(logits.size());
  std::vector<TokenLogprob> top;
  mask(logits, allowed, left);
  for (const int32_t id : ops::top_k(left, static_cast<size_t>(std::max(k, 0))))
    if (left[static_cast<size_t>(id)] != -INFINITY) top.push_back(logprob(id, left[static_cast<size_t>(id)], picked));
  return top;
}

TokenLogprob logprob(std::span<const float> logits, const ops::Picked& picked, int32_t id) {
  check_finite(picked);
  return logprob(id, logits[static_cast<size_t>(id)], picked);
}

Sampler::Sampler(const SamplerOptions& o) : options_(o), random_(o.seed) {
  check(o.temperature >= 0 && o.temperature <= 100, "temperature must be between 0 and 100");
  check(o.top_k >= 0, "top-k must not be negative");
  check(o.top_p > 0 && o.top_p <= 1, "top-p must be above 0 and at most 1");
  check(o.min_p >= 0 && o.min_p <= 1, "min-p must be between 0 and 1");
  check(o.repetition_penalty > 0 && o.repetition_penalty <= 100,
        "the repetition penalty must be above 0 and at most 100");
  check(std::abs(o.presence_penalty) <= 100, "the presence penalty must be between -100 and 100");
  check(std::abs(o.frequency_penalty) <= 100, "the frequency penalty must be between -100 and 100");
  check(o.logprobs >= 0, "the number of alternatives must not be negative");
}

void Sampler::reset(std::span<const int32_t> prompt) {
  random_ = Random(options_.seed);
  seen_.clear();
  for (int32_t id : prompt) seen_[id];
}

int32_t Sampler::candidates_needed() const {
  if (penalises()) return 0;
  if (options_.temperature == 0) return std::max(1, options_.logprobs);
  const int32_t k = std::max(options_.top_k, options_.logprobs);
  return options_.top_k > 0 && k <= max_picked ? k : 0;
}

bool Sampler::penalises() const {
  return options_.repetition_penalty != 1 || options_.presence_penalty != 0 || options_.frequency_penalty != 0;
}

Sampled Sampler::sample(const ops::Picked& row) {
  check_finite(row);
  candidates_.clear();
  const size_t k = options_.temperature == 0 ? 1 : static_cast<size_t>(options_.top_k);
  for (size_t i = 0; i < std::min(k, row.ids.size()); i++) candidates_.push_back({row.logits[i], row.ids[i]});
  const Candidate& drawn = candidates_[options_.temperature == 0 ? 0 : draw()];
  accept(drawn.id);
  return {logprob(drawn.id, drawn.logit, row), top_logprobs(row, options_.logprobs)};
}

Sampled Sampler::sample(std::span<const float> logits) {
  if (const int32_t k = candidates_needed(); k > 0) return sample(ops::pick_row(logits, k));
  return sample(logits, {});
}

Sampled Sampler::sample(std::span<const float> logits, Allowed allowed) {
  const ops::Picked row = ops::pick_row(logits, options_.logprobs);
  check_finite(row);
  const int32_t id = choose(logits, allowed);
  accept(id);
  return {logprob(id, logits[static_cast<size_t>(id)], row), top_logprobs(row, options_.logprobs)};
}

int32_t Sampler::choose(std::span<const float> raw, Allowed allowed) {
  std::span<const float> logits = raw;
  if (!allowed.empty()) {
    allowed_.resize(raw.size());
    mask(raw, allowed, allowed_);
    check(*std::max_element(allowed_.begin(), allowed_.end()) != -INFINITY, "no id may be drawn");
    logits = allowed_;
  }
  if (penalises() && !seen_.empty()) {
    penalise(logits);
    logits = penalised_;
  }
  if (options_.temperature == 0)
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  gather(logits);
  return candidates_[draw()].id;
}

/// The index of one of the candidates, drawn by its weight.
size_t Sampler::draw() {
  size_t kept = candidates_.size();
  float max = -INFINITY;
  for (size_t i = 0; i < kept; i++) max = std::max(max, candidates_[i].logit);
  if (options_.top_p < 1) kept = nucleus(kept, max);
  double total = 0;
  const auto weight = [&](const Candidate& c) {
    const float w = ops::exp_nonpositive((c.logit - max) / options_.temperature);
    return w < options_.min_p ? 0. : static_cast<double>(w);  // the most likely one weighs 1
  };
  for (size_t i = 0; i < kept; i++) total += weight(candidates_[i]);
  double left = random_.uniform() * total;
  size_t last = 0;
  for (size_t i = 0; i < kept; i++) {
    const double w = weight(candidates_[i]);
    if (w == 0) continue;
    last = i;
    if ((left -= w) < 0) break;
  }
  return last;
}

void Sampler::penalise(std::span<const float> logits) {
  penalised_.assign(logits.begin(), logits.end());
  for (const auto& [id, times] : seen_) {
    if (id < 0 || static_cast<size_t>(id) >= penalised_.size()) continue;
    float& x = penalised_[static_cast<size_t>(id)];
    x = x > 0 ? x / options_.repetition_penalty : x * options_.repetition_penalty;
    if (times > 0) x -= options_.presence_penalty + options_.frequency_penalty * static_cast<float>(times);
  }
}

/// The top-k candidates likeliest first, or all by id: an order that depends on nothing but the logits.
void Sampler::gather(std::span<const float> logits) {
  candidates_.clear();
  const size_t n = logits.size(), k = static_cast<size_t>(options_.top_k);
  const auto add = [&](size_t id) {  // what was left out before is no candidate
    if (logits[id] != -INFINITY) candidates_.push_back({logits[id], static_cast<int32_t>(id)});
  };
  if (k > 0) {
    for (int32_t id : ops::top_k(logits, k)) add(static_cast<size_t>(id));
  } else {
    for (size_t i = 0; i < n; i++) add(i);
  }
}

/// Keeps the fewest of the first `kept` candidates, likeliest first, whose probability reaches top_p. Sorts only as
/// many as are needed: the nucleus of 150,000 ids is a few hundred.
size_t Sampler::nucleus(size_t kept, float max) {
  double total = 0;
  for (size_t i = 0; i < kept; i++)
    total += static_cast<double>(ops::exp_nonpositive((candidates_[i].logit - max) / options_.temperature));
  const double enough = total * static_cast<double>(options_.top_p);
  const auto before = [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  };
  double sum = 0;
  size_t done = 0;
  for (size_t want = 256; done < kept; want *= 8) {
    const size_t end = std::min(kept, want);
    std::partial_sort(candidates_.begin() + static_cast<std::ptrdiff_t>(done),
                      candidates_.begin() + static_cast<std::ptrdiff_t>(end),
                      candidates_.begin() + static_cast<std::ptrdiff_t>(kept), before);
    for (; done < end; done++) {
      sum += static_cast<double>(ops::exp_nonpositive((candidates_[done].logit - max) / options_.temperature));
      if (sum >= enough) return done + 1;
    }
  }
  return kept;  // can't happen: top_p is below 1 by more than sums in two orders differ
}

}  // namespace owl3::sample
