#include "sample/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "sample/exp.h"

namespace owl3::sample {
namespace {

/// log(sum(exp(logits))): what turns a logit into a log-probability. Sixteen partial sums, so that it vectorises with a
/// fixed order.
double log_sum_exp(std::span<const float> logits) {
  constexpr size_t kLanes = 16;
  float top[kLanes];
  int32_t nan[kLanes] = {};
  std::fill(top, top + kLanes, -INFINITY);
  const size_t whole = logits.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes)
    for (size_t l = 0; l < kLanes; l++) {
      top[l] = top[l] < logits[i + l] ? logits[i + l] : top[l];
      nan[l] |= logits[i + l] != logits[i + l];
    }
  float most = *std::max_element(top, top + kLanes);
  bool finite = std::count(nan, nan + kLanes, 0) == kLanes;
  for (size_t i = whole; i < logits.size(); i++) {
    most = std::max(most, logits[i]);
    finite = finite && logits[i] == logits[i];
  }
  if (!finite || !std::isfinite(most))
    throw Error(ErrorCode::bad_model, "the model computed logits that are no finite numbers: its weights are damaged");
  double total = 0;
  float sums[kLanes] = {};
  for (size_t i = 0; i < whole;) {
    const size_t end = std::min(whole, i + 4096);  // short float sums, added up in double
    for (; i < end; i += kLanes)
      for (size_t l = 0; l < kLanes; l++) sums[l] += exp_nonpositive(logits[i + l] - most);
    for (float& s : sums) {
      total += static_cast<double>(s);
      s = 0;
    }
  }
  for (size_t i = whole; i < logits.size(); i++) total += static_cast<double>(exp_nonpositive(logits[i] - most));
  return static_cast<double>(most) + std::log(total);
}

/// Indices of the k largest, in falling order: one pass that keeps the best so far, for the small k this is asked for.
std::vector<int32_t> largest(std::span<const float> logits, size_t k) {
  std::vector<int32_t> best;
  if (k > 64) {
    best.resize(logits.size());
    for (size_t i = 0; i < best.size(); i++) best[i] = static_cast<int32_t>(i);
    const auto before = [&](int32_t a, int32_t b) {
      const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
      return x > y || (x == y && a < b);
    };
    std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(k), best.end(), before);
    best.resize(k);
    return best;
  }
  best.reserve(k + 1);
  for (size_t i = 0; i < logits.size(); i++) {
    if (best.size() == k && !(logits[i] > logits[static_cast<size_t>(best.back())])) continue;
    auto at = best.end();
    while (at != best.begin() && logits[i] > logits[static_cast<size_t>(*(at - 1))]) --at;
    best.insert(at, static_cast<int32_t>(i));
    if (best.size() > k) best.pop_back();
  }
  return best;
}

TokenLogprob logprob(std::span<const float> logits, int32_t id, double normaliser) {
  return {id, static_cast<float>(static_cast<double>(logits[static_cast<size_t>(id)]) - normaliser)};
}

std::vector<TokenLogprob> top_of(std::span<const float> logits, int32_t k, double normaliser) {
  std::vector<TokenLogprob> top;
  if (k < 1) return top;
  for (int32_t id : largest(logits, std::min(static_cast<size_t>(k), logits.size())))
    top.push_back(logprob(logits, id, normaliser));
  return top;
}

void check(bool good, const char* what) {
  if (!good) throw Error(ErrorCode::invalid_argument, what);
}

}  // namespace

std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, int32_t k) {
  return top_of(logits, k, log_sum_exp(logits));
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

Sampled Sampler::sample(std::span<const float> logits) {
  const double normaliser = log_sum_exp(logits);
  const int32_t id = choose(logits);
  accept(id);
  return {logprob(logits, id, normaliser), top_of(logits, options_.logprobs, normaliser)};
}

int32_t Sampler::choose(std::span<const float> raw) {
  std::span<const float> logits = raw;
  const bool penalties =
      options_.repetition_penalty != 1 || options_.presence_penalty != 0 || options_.frequency_penalty != 0;
  if (penalties && !seen_.empty()) {
    penalise(raw);
    logits = penalised_;
  }
  if (options_.temperature == 0)
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());

  size_t kept = gather(logits);
  float top = -INFINITY;
  for (size_t i = 0; i < kept; i++) top = std::max(top, candidates_[i].logit);
  if (options_.top_p < 1) kept = nucleus(kept, top);
  double total = 0;
  const auto weight = [&](const Candidate& c) {
    const float w = exp_nonpositive((c.logit - top) / options_.temperature);
    return w < options_.min_p ? 0. : static_cast<double>(w);  // the most likely one weighs 1
  };
  for (size_t i = 0; i < kept; i++) total += weight(candidates_[i]);
  double left = random_.uniform() * total;
  int32_t last = candidates_[0].id;
  for (size_t i = 0; i < kept; i++) {
    const double w = weight(candidates_[i]);
    if (w == 0) continue;
    last = candidates_[i].id;
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
size_t Sampler::gather(std::span<const float> logits) {
  candidates_.clear();
  const size_t n = logits.size(), k = static_cast<size_t>(options_.top_k);
  if (k > 0 && k < n) {
    for (int32_t id : largest(logits, k)) candidates_.push_back({logits[static_cast<size_t>(id)], id});
  } else {
    for (size_t i = 0; i < n; i++) candidates_.push_back({logits[i], static_cast<int32_t>(i)});
  }
  return candidates_.size();
}

/// Keeps the fewest of the first `kept` candidates, likeliest first, whose probability reaches top_p. Sorts only as
/// many as are needed: the nucleus of 150,000 ids is a few hundred.
size_t Sampler::nucleus(size_t kept, float top) {
  double total = 0;
  for (size_t i = 0; i < kept; i++)
    total += static_cast<double>(exp_nonpositive((candidates_[i].logit - top) / options_.temperature));
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
      sum += static_cast<double>(exp_nonpositive((candidates_[done].logit - top) / options_.temperature));
      if (sum >= enough) return done + 1;
    }
  }
  return kept;
}

}  // namespace owl3::sample
