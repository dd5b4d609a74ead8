#include "sample/sampler.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "ops/exp.h"
#include "support/harness.h"

using namespace owl3;

static std::vector<float> noise(size_t n, uint64_t seed) {
  sample::Random r(seed);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>((r.uniform() + r.uniform() + r.uniform() - 1.5) * 8);
  return x;
}
static std::vector<double> softmax(const std::vector<float>& x, double temperature = 1) {
  double sum = 0, top = *std::max_element(x.begin(), x.end());
  std::vector<double> p(x.size());
  for (size_t i = 0; i < x.size(); i++) sum += p[i] = std::exp((x[i] - top) / temperature);
  for (double& v : p) v /= sum;
  return p;
}
static std::map<int32_t, int> draw(sample::SamplerOptions o, const std::vector<float>& x, int n) {
  sample::Sampler sampler(o);
  std::map<int32_t, int> counts;
  for (int i = 0; i < n; i++) counts[sampler.sample(x).token.id]++;
  return counts;
}

TEST("sample: exp is within 3e-7 and exact at 0") {
  CHECK_EQ(ops::exp_nonpositive(0.f), 1.f);
  for (float x = -86.f; x < 0; x += 0.0137f) CHECK_NEAR(ops::exp_nonpositive(x) / std::exp(double(x)), 1., 3e-7);
  CHECK(ops::exp_nonpositive(-INFINITY) < 2e-38f);
}

TEST("sample: the random stream depends on the seed alone and is uniform") {
  sample::Random a(42), b(42), c(43);
  CHECK(a.next() == b.next());
  CHECK(a.next() != (b.next(), c.next()));
  double sum = 0;
  for (int i = 0; i < 4000; i++) {
    const double u = a.uniform();
    CHECK(u >= 0 && u < 1);
    sum += u;
  }
  CHECK_NEAR(sum / 4000, 0.5, 0.02);
}

TEST("sample: log-probabilities are the log softmax of the raw logits") {
  for (size_t n : {1u, 5u, 16u, 100u, 5003u}) {
    const std::vector<float> x = noise(n, n);
    const std::vector<double> p = softmax(x);
    sample::SamplerOptions o;
    o.logprobs = 7;
    o.repetition_penalty = 1.3f;  // must not show in them
    sample::Sampler sampler(o);
    const sample::Sampled s = sampler.sample(x);
    CHECK_NEAR(s.token.logprob, std::log(p[static_cast<size_t>(s.token.id)]), 2e-6);
    CHECK_EQ(s.top.size(), std::min<size_t>(7, n));
    for (size_t i = 0; i < s.top.size(); i++) {
      CHECK_NEAR(s.top[i].logprob, std::log(p[static_cast<size_t>(s.top[i].id)]), 2e-6);
      if (i > 0) CHECK(s.top[i].logprob <= s.top[i - 1].logprob);
    }
    CHECK_EQ(s.top[0].id, s.token.id);
  }
}

TEST("sample: the k largest are the same by both ways and ties go by id") {
  std::vector<float> x = noise(500, 3);
  for (float& v : x) v = std::round(v);
  const auto few = sample::top_logprobs(ops::pick_row(x, 60), 60),
             many = sample::top_logprobs(ops::pick_row(x, 100), 100);
  for (size_t i = 0; i < few.size(); i++) CHECK_EQ(few[i].id, many[i].id);
  for (size_t i = 1; i < many.size(); i++)
    CHECK(many[i - 1].logprob > many[i].logprob ||
          (many[i - 1].logprob == many[i].logprob && many[i - 1].id < many[i].id));
  CHECK_EQ(sample::top_logprobs(ops::pick_row(x, 9999), 9999).size(), x.size());
}

TEST("sample: a long row gives the same bits whatever the order of its pieces") {
  std::vector<float> x = noise(20003, 4);
  for (float& v : x) v = std::round(8 * v) / 8;
  const ops::Picked whole = ops::pick_row(x, 60);
  CHECK(whole.ids == ops::top_k(x, 60));
  int64_t pieces = 0;
  const ops::Picked backwards = ops::pick_row(x, 60, [&](int64_t n, FunctionRef<void(int64_t)> piece) {
    pieces += n;
    for (int64_t i = n; i-- > 0;) piece(i);
  });
  CHECK(pieces > 2);
  CHECK(backwards.ids == whole.ids && backwards.logits == whole.logits);
  CHECK_EQ(backwards.log_sum_exp, whole.log_sum_exp);
  double sum = 0;
  for (const float v : x) sum += std::exp(static_cast<double>(v));
  CHECK_NEAR(whole.log_sum_exp, std::log(sum), 1e-6);
}

TEST("sample: the log-probability of a given id, and none of logits that are no numbers") {
  const std::vector<float> x = noise(100, 5);
  const std::vector<double> p = softmax(x);
  const ops::Picked row = ops::pick_row(x, 1);
  for (const int32_t id : {0, 42, 99}) {
    const auto one = sample::logprob(x, row, id);
    CHECK_EQ(one.id, id);
    CHECK_NEAR(one.logprob, std::log(p[static_cast<size_t>(id)]), 2e-6);
  }
  std::vector<float> bad = x;
  bad[3] = NAN;
  CHECK_THROWS(sample::logprob(bad, ops::pick_row(bad, 1), 0), ErrorCode::bad_model);
}

TEST("sample: temperature draws from the softmax") {
  const std::vector<float> x = {0, 1, 2, -1};
  sample::SamplerOptions o;
  o.temperature = 0.7f;
  const auto counts = draw(o, x, 20000);
  const auto p = softmax(x, o.temperature);
  for (int32_t i = 0; i < 4; i++)
    CHECK_NEAR((counts.count(i) ? counts.at(i) : 0) / 20000., p[static_cast<size_t>(i)], 0.012);
}

TEST("sample: a seed gives the same ids, another seed others, reset starts over") {
  const std::vector<float> x = noise(1000, 8);
  sample::SamplerOptions o;
  o.temperature = 1;
  const auto ids = [&](sample::Sampler& s) {
    std::vector<int32_t> out;
    for (int i = 0; i < 20; i++) out.push_back(s.sample(x).token.id);
    return out;
  };
  sample::Sampler a(o), b(o);
  const auto first = ids(a);
  CHECK(first == ids(b));
  a.reset({});
  CHECK(first == ids(a));
  o.seed = 1;
  sample::Sampler c(o);
  CHECK(first != ids(c));
}

TEST("sample: top-k, top-p and min-p keep what they say") {
  const std::vector<float> x = {std::log(0.4f), std::log(0.1f), std::log(0.3f), std::log(0.2f)};
  sample::SamplerOptions o;
  o.temperature = 1;
  o.top_k = 2;
  auto counts = draw(o, x, 500);
  CHECK(counts.size() == 2 && counts.count(0) && counts.count(2));
  o.top_k = 0;
  o.top_p = 0.65f;  // 0.4 + 0.3 reach it
  counts = draw(o, x, 500);
  CHECK(counts.size() == 2 && counts.count(0) && counts.count(2));
  o.top_p = 0.75f;
  CHECK_EQ(draw(o, x, 800).size(), 3u);
  o.top_p = 1;
  o.min_p = 0.6f;  // of 0.4: keeps 0.24 and above
  counts = draw(o, x, 500);
  CHECK(counts.size() == 2 && counts.count(0) && counts.count(2));
  o.min_p = 0;
  o.top_p = 1e-6f;
  CHECK_EQ(draw(o, x, 50).size(), 1u);
}

TEST("sample: the nucleus is right where it is wide") {
  std::vector<float> x(5000, 0.f);  // flat: 90 % is 4,500 ids
  sample::SamplerOptions o;
  o.temperature = 1;
  o.top_p = 0.9f;
  for (const auto& [id, count] : draw(o, x, 300)) CHECK(id < 4500);
}

TEST("sample: repetition penalty as Hugging Face, presence and frequency as OpenAI") {
  sample::SamplerOptions o;
  o.repetition_penalty = 2;
  sample::Sampler repetition(o);
  const int32_t prompt[] = {0};
  repetition.reset(prompt);
  CHECK_EQ(repetition.sample(std::vector<float>{3, 2, 1}).token.id, 1);     // 3 / 2 < 2
  CHECK_EQ(repetition.sample(std::vector<float>{3, 2, 1.2f}).token.id, 0);  // 1.5, 1, 1.2
  sample::Sampler negative(o);
  negative.reset(prompt);
  CHECK_EQ(negative.sample(std::vector<float>{-1, -1.5f, -9}).token.id, 1);  // -1 * 2 < -1.5

  o.repetition_penalty = 1;
  o.presence_penalty = 1;
  sample::Sampler presence(o);
  presence.reset(prompt);
  CHECK_EQ(presence.sample(std::vector<float>{3, 2.5f, 0}).token.id, 0);  // the prompt does not count
  CHECK_EQ(presence.sample(std::vector<float>{3, 2.5f, 0}).token.id, 1);
  o.presence_penalty = 0;
  o.frequency_penalty = 0.3f;
  sample::Sampler frequency(o);
  CHECK_EQ(frequency.sample(std::vector<float>{3, 2.5f, 0}).token.id, 0);
  CHECK_EQ(frequency.sample(std::vector<float>{3, 2.5f, 0}).token.id, 0);  // 2.7
  CHECK_EQ(frequency.sample(std::vector<float>{3, 2.5f, 0}).token.id, 1);  // 2.4
}

TEST("sample: damaged logits and options are errors") {
  std::vector<float> x = noise(100, 1);
  sample::Sampler sampler({});
  x[3] = NAN;
  CHECK_THROWS(sampler.sample(x), ErrorCode::bad_model);
  x[3] = INFINITY;
  CHECK_THROWS(sampler.sample(x), ErrorCode::bad_model);
  CHECK_THROWS(sample::top_logprobs(ops::pick_row(std::vector<float>(3, -INFINITY), 2), 2), ErrorCode::bad_model);
  using Options = sample::SamplerOptions;
  const Options wrong[] = {{.temperature = NAN},
                           {.temperature = -1},
                           {.temperature = 101},
                           {.top_k = -1},
                           {.top_p = 0},
                           {.top_p = 1.1f},
                           {.min_p = -0.1f},
                           {.min_p = 1.1f},
                           {.repetition_penalty = 0},
                           {.repetition_penalty = 101},
                           {.presence_penalty = 101},
                           {.presence_penalty = NAN},
                           {.frequency_penalty = -101},
                           {.logprobs = -1}};
  for (const Options& options : wrong) CHECK_THROWS(sample::Sampler(options), ErrorCode::invalid_argument);
}

TEST("sample: ids of the prompt that the model has not, penalise nothing") {
  const std::vector<float> x = noise(50, 4);
  sample::Sampler plain({}), penalising({.repetition_penalty = 1.5f});
  penalising.reset(std::vector<int32_t>{-1, 50, 9999});
  CHECK_EQ(penalising.sample(x).token.id, plain.sample(x).token.id);
}

TEST("sample: only allowed ids are drawn, and log-probabilities stay those of the whole row") {
  const std::vector<float> x = noise(300, 4);
  const std::vector<double> p = softmax(x);
  std::vector<uint64_t> allowed(5);
  for (const size_t id : {7u, 70u, 200u, 299u}) allowed[id / 64] |= uint64_t{1} << (id % 64);
  const auto in = [&](int32_t id) { return (allowed[static_cast<size_t>(id) / 64] >> (id % 64) & 1) != 0; };
  for (const float temperature : {0.f, 1.f, 50.f})
    for (const int32_t top_k : {0, 2, 100})
      for (const float top_p : {1.f, 0.5f}) {
        sample::SamplerOptions o;
        o.temperature = temperature;
        o.top_k = top_k;
        o.top_p = top_p;
        o.logprobs = 3;
        o.repetition_penalty = top_k == 2 ? 1.2f : 1;
        sample::Sampler sampler(o);
        for (int i = 0; i < 50; i++) {
          const sample::Sampled s = sampler.sample(x, allowed);
          CHECK(in(s.token.id));
          CHECK_NEAR(s.token.logprob, std::log(p[static_cast<size_t>(s.token.id)]), 2e-6);
          CHECK_EQ(s.top[0].id, static_cast<int32_t>(std::max_element(x.begin(), x.end()) - x.begin()));
        }
      }
  const auto top = sample::top_logprobs(x, ops::pick_row(x, 0), 9, allowed);
  CHECK_EQ(top.size(), 4u);
  for (size_t i = 0; i < top.size(); i++) {
    CHECK(in(top[i].id) && (i == 0 || top[i].logprob <= top[i - 1].logprob));
    CHECK_NEAR(top[i].logprob, std::log(p[static_cast<size_t>(top[i].id)]), 2e-6);
  }
  sample::Sampler sampler({});
  CHECK_THROWS(sampler.sample(x, std::vector<uint64_t>(5)), ErrorCode::invalid_argument);
  CHECK_EQ(sampler.sample(x, {}).token.id, sampler.sample(x).token.id);
}

TEST("sample: an answer is greedy at temperature 0 without penalties") {
  CHECK(sample::Sampler({.temperature = 0}).greedy());
  CHECK(!sample::Sampler({.temperature = 0.7f}).greedy());
  CHECK(!sample::Sampler({.temperature = 0, .repetition_penalty = 1.1f}).greedy());
}
