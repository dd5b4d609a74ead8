// Shared by the tests of kernels: the instruction sets of this machine and random values.
#pragma once
#include <bit>
#include <cmath>
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

/// The Walsh-Hadamard transform of each run of x whose length is the largest power of two that divides its length; its
/// own inverse.
template <class T>
std::vector<T> hadamard(const std::vector<T>& x) {
  const size_t length = x.size() & -x.size();
  std::vector<T> y(x.size());
  for (size_t i = 0; i < x.size(); i++) {
    double sum = 0;
    for (size_t j = 0; j < length; j++) {
      const double v = static_cast<double>(x[i / length * length + j]);
      sum += std::popcount(i % length & j) % 2 == 0 ? v : -v;
    }
    y[i] = static_cast<T>(sum / std::sqrt(static_cast<double>(length)));
  }
  return y;
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
