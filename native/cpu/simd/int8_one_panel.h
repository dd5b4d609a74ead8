// What instruction sets share whose int8 kernels take signed weights, one panel at a time, and scales as they stand.
// Each brings int8_rows, round_to_int8 and dot_panel<R, Groups>(w, x, ldx, done): see scalar.h.
#pragma once
namespace owl3::OWL3_LANES {

constexpr bool unsigned_weights = false, powers_apart = false;
constexpr int int8_panels_at_once = 1;

/// Not called where powers are not applied apart.
inline Lanes times_power(Lanes a, float) {
  return a;
}

template <int R, int P, int Groups, class Done>
inline void dot_block(const uint8_t* const (&w)[P], const int8_t* x, int64_t ldx, const int32_t*, int64_t, Done done) {
  static_assert(P == 1);
  dot_panel<R, Groups>(w[0], x, ldx, [&](int r, int g, Lanes dot) { done(r, 0, g, dot); });
}

}  // namespace owl3::OWL3_LANES
