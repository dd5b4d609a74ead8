// Exact dot products of a block, one value at a time. See linear_body.h.
#pragma once
namespace owl3::OWL3_LANES {

constexpr int int8_rows = 4;

/// Calls done(r, g, sum over the block's columns of group g of 16, or the only one of 32) (Groups 2 or 1) for R rows.
template <int R, int Groups, class Done>
inline void dot_panel(const uint8_t* w, const int8_t* x, int64_t ldx, Done done) {
  for (int r = 0; r < R; ++r) {
    for (int g = 0; g < Groups; ++g) {
      int32_t sum[16] = {};
      for (int k = g * (32 / Groups); k < (g + 1) * (32 / Groups); ++k) {
        for (int i = 0; i < 16; ++i) sum[i] += static_cast<int8_t>(w[k / 4 * 64 + i * 4 + k % 4]) * x[r * ldx + k];
      }
      done(r, g, each([&](int i) { return static_cast<float>(sum[i]); }));
    }
  }
}

/// a and b (in [-127.5, 127.5]) rounded to nearest even as q [32], and their sums.
inline void round_to_int8(Lanes a, Lanes b, int8_t* q, int32_t* sums) {
  float rounded[32];
  store(rounded, round_even(a));
  store(rounded + 16, round_even(b));
  sums[0] = sums[1] = 0;
  for (int i = 0; i < 32; ++i) {
    const bool number = rounded[i] == rounded[i];  // infinity times zero is none
    q[i] = number ? static_cast<int8_t>(static_cast<int32_t>(rounded[i])) : int8_t{0};
    sums[i / 16] += q[i];
  }
}

}  // namespace owl3::OWL3_LANES
