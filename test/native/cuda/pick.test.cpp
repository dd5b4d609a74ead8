// The largest logits, found on the simulation, against the host's.
#include "cuda/verbs/pick.h"

#include "cuda/simulation.h"
#include "support/harness.h"

using namespace owl3;
using namespace owl3::test;

namespace {

std::vector<ops::Picked> pick(const std::vector<float>& logits, int64_t rows, int32_t k,
                              const cuda::simt::Options& options = {}) {
  const int64_t n = static_cast<int64_t>(logits.size()) / rows;
  Simulation simulation;
  simulation.options = options;
  const Memory memory(cuda::pick_bytes(rows, n, k));
  const Memory first(static_cast<size_t>(rows) * sizeof(int32_t));
  cuda::pick(simulation, logits.data(), rows, n, k, memory.as(), k > 0 ? first.as<int32_t>() : nullptr);
  std::vector<ops::Picked> picked(static_cast<size_t>(rows));
  const std::vector<char> host(memory.as<char>(), memory.as<char>() + cuda::picked_bytes(rows, n, k));
  cuda::read_picked(host.data(), n, k, picked);
  for (size_t row = 0; row < picked.size() && k > 0; row++) CHECK_EQ(first.as<int32_t>()[row], picked[row].ids[0]);
  return picked;
}

void check(const std::vector<float>& logits, int64_t rows, int32_t k, const cuda::simt::Options& options = {}) {
  const auto n = static_cast<size_t>(static_cast<int64_t>(logits.size()) / rows);
  const std::vector<ops::Picked> picked = pick(logits, rows, k, options);
  for (size_t row = 0; row < picked.size(); row++) {
    const ops::Picked expected = ops::pick_row(std::span(logits).subspan(row * n, n), k);
    CHECK(picked[row].ids == expected.ids);
    CHECK(picked[row].logits == expected.logits);
    CHECK_EQ(std::isnan(picked[row].log_sum_exp), std::isnan(expected.log_sum_exp));
    if (std::isnan(expected.log_sum_exp)) continue;
    CHECK_NEAR(picked[row].log_sum_exp, expected.log_sum_exp, 1e-6 * (1 + std::abs(expected.log_sum_exp)));
  }
}

}  // namespace

TEST("cuda: the largest logits of small and large rows, in order") {
  for (const int64_t n : {1, 3, 40, 2048, 2049, 9000})
    for (const int32_t k : {0, 1, 5, 256}) check(normal_values(2 * n, static_cast<uint32_t>(n), 8), 2, k);
  CHECK_THROWS(pick(normal_values(3000, 1), 1, 257), ErrorCode::internal);
}

TEST("cuda: equal logits are ordered by id, and zeros of both signs are equal") {
  std::vector<float> logits(5000);
  for (size_t i = 0; i < logits.size(); i++) logits[i] = static_cast<float>(i * 7919 % 13);
  for (size_t i = 0; i < logits.size(); i += 3) logits[i] = i % 2 ? -0.f : 0.f;
  check(logits, 1, 200);
  check(std::vector<float>(3000, -0.f), 1, 70);
}

TEST("cuda: rows that are not finite, and the sum of the others") {
  std::vector<float> logits = normal_values(2500, 4, 30);
  logits[7] = logits[2400] = -INFINITY;
  check(logits, 1, 20);
  check(std::vector<float>(2500, -INFINITY), 1, 3);
  logits[2100] = INFINITY;
  check(logits, 1, 20);
  logits[2100] = NAN;
  const ops::Picked p = pick(logits, 1, 20)[0];
  CHECK(std::isnan(p.log_sum_exp));
  logits[2100] = -INFINITY;
  CHECK(p.ids == ops::top_k(logits, 20));  // NaN comes last
}

TEST("cuda: picking has the same bits in every schedule") {
  const std::vector<float> logits = normal_values(2 * 2100, 5, 4);
  const std::vector<ops::Picked> expected = pick(logits, 2, 9);
  for (const cuda::simt::Options& options : schedules()) {
    const std::vector<ops::Picked> picked = pick(logits, 2, 9, options);
    for (size_t i = 0; i < 2; i++)
      CHECK(picked[i].ids == expected[i].ids && picked[i].log_sum_exp == expected[i].log_sum_exp);
  }
}
