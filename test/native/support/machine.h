// Shared by the tests of kernels: the instruction sets of this machine and random values.
#pragma once
#include <cstdint>
#include <random>
#include <vector>

#include "base/isa.h"

namespace owl3::test {

inline std::vector<Isa> machine_isas() {
  std::vector<Isa> out;
  for (const Isa isa : all_isas) {
    if (isa_available(isa)) out.push_back(isa);
  }
  return out;
}

/// n normal values of standard deviation `scale`, the same for the same seed.
inline std::vector<float> normal_values(int64_t n, uint32_t seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> v(static_cast<size_t>(n));
  for (float& x : v) x = normal(random);
  return v;
}

}  // namespace owl3::test
