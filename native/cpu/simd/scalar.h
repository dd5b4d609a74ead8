// Sixteen floats one by one: the slow twin that tests compare with, and what runs where nothing faster can. simd.h says
// what each function means.
#pragma once
#include "cpu/simd/bytes.h"
#include "gguf/quant.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

struct Lanes {
  float v[16];
};
constexpr int tile_rows = 4, tile_groups = 1;
constexpr int gemm_tile_rows = tile_rows, gemm_tile_panels = tile_groups;

template <class F>
inline Lanes each(F f) {
  Lanes r;
  for (int i = 0; i < 16; ++i) r.v[i] = f(i);
  return r;
}
inline Lanes load(const float* p) {
  return each([&](int i) { return p[i]; });
}
inline Lanes load_f16(const uint16_t* p) {
  return each([&](int i) { return gguf::f16_to_f32(p[i]); });
}
inline Lanes load_i8(const int8_t* p) {
  return each([&](int i) { return static_cast<float>(p[i]); });
}
inline void store(float* p, Lanes x) {
  for (int i = 0; i < 16; ++i) p[i] = x.v[i];
}
inline void store_f16(uint16_t* p, Lanes x) {
  for (int i = 0; i < 16; ++i) p[i] = gguf::f32_to_f16(x.v[i]);
}
inline Lanes splat(float x) {
  return each([&](int) { return x; });
}
inline Lanes fma(Lanes x, Lanes y, Lanes z) {  // two roundings: a fused one is a library call on most machines
  return each([&](int i) { return x.v[i] * y.v[i] + z.v[i]; });
}
inline Lanes operator*(Lanes x, Lanes y) {
  return each([&](int i) { return x.v[i] * y.v[i]; });
}
inline Lanes operator+(Lanes x, Lanes y) {
  return each([&](int i) { return x.v[i] + y.v[i]; });
}
inline Lanes operator-(Lanes x, Lanes y) {
  return each([&](int i) { return x.v[i] - y.v[i]; });
}
inline Lanes operator/(Lanes x, Lanes y) {
  return each([&](int i) { return x.v[i] / y.v[i]; });
}
inline Lanes choose(Lanes x, Lanes a, Lanes b) {
  return each([&](int i) { return x.v[i] >= 0 ? a.v[i] : b.v[i]; });
}
inline Lanes max(Lanes x, Lanes y) {
  return each([&](int i) { return x.v[i] > y.v[i] ? x.v[i] : y.v[i]; });
}
inline Lanes first(Lanes x, float rest, int n) {
  return each([&](int i) { return i < n ? x.v[i] : rest; });
}
inline float reduce_add(Lanes x) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) x.v[i] += x.v[i + width];
  }
  return x.v[0];
}
inline float reduce_max(Lanes x) {
  float r = x.v[0];
  for (int i = 1; i < 16; ++i) r = x.v[i] > r ? x.v[i] : r;
  return r;
}
inline Lanes round_even(Lanes x) {  // |x| < 2^22: adding 1.5 * 2^23 leaves no fraction bits
  return each([&](int i) { return (x.v[i] + 12582912.0f) - 12582912.0f; });
}
inline Lanes scale_or_zero(Lanes a, Lanes n, Lanes x) {
  return each([&](int i) {
    if (!(x.v[i] >= -126.0f)) return 0.0f;
    return a.v[i] * __builtin_bit_cast(float, (static_cast<int32_t>(n.v[i]) + 127) << 23);
  });
}

// ---- int8 products of GEMM (gemm/int8.h) ----

constexpr int int8_tile_rows(int) {
  return 4;
}

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

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA

#include "cpu/simd/one_panel.h"
