// Sixteen floats one by one: the slow twin of the vector versions, and what runs where none of them can. See lanes.h.
#pragma once
#include <cstdint>

#include "gguf/quant.h"

namespace owl3::OWL3_LANES {

struct Lanes {
  float v[16];
};
constexpr int tile_rows = 4, tile_groups = 1;
constexpr int product_rows = tile_rows, product_groups = tile_groups;

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
/// a where x >= 0, else b (NaN of x too).
inline Lanes choose(Lanes x, Lanes a, Lanes b) {
  return each([&](int i) { return x.v[i] >= 0 ? a.v[i] : b.v[i]; });
}
inline Lanes max(Lanes x, Lanes y) {
  return each([&](int i) { return x.v[i] > y.v[i] ? x.v[i] : y.v[i]; });
}
inline Lanes first(Lanes x, float rest, int n) {
  return each([&](int i) { return i < n ? x.v[i] : rest; });
}
inline float sum(Lanes x) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) x.v[i] += x.v[i + width];
  }
  return x.v[0];
}
inline float largest(Lanes x) {
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

}  // namespace owl3::OWL3_LANES
