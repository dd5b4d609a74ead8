// A small generator with the same stream on every platform: PCG32 (XSH-RR; O'Neill, HMC-CS-2014-0905).
#pragma once
#include <cstdint>

namespace owl3::sample {

class Random {
 public:
  explicit Random(uint64_t seed) {
    state_ = 0;
    next();
    state_ += seed;
    next();
  }
  uint32_t next() {
    const uint64_t old = state_;
    state_ = old * 6364136223846793005ULL + 1442695040888963407ULL;
    const uint32_t x = static_cast<uint32_t>(((old >> 18) ^ old) >> 27), r = static_cast<uint32_t>(old >> 59);
    return (x >> r) | (x << ((32 - r) & 31));
  }
  /// Uniform in [0, 1), 53 bits.
  double uniform() {
    const uint64_t high = next() >> 5, low = next() >> 6;
    return static_cast<double>(high * 67108864 + low) / 9007199254740992.0;
  }

 private:
  uint64_t state_;
};

}  // namespace owl3::sample
