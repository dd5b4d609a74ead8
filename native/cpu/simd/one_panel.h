// Included by the instruction sets whose int8 GEMM takes signed weights, one panel at a time, and scales as they stand.
// Each has int8_tile_rows, round_to_int8 and dot_panel<R, Groups>(w, x, ldx, done), which scalar.h documents.
#pragma once

namespace owl3::cpu::OWL3_ISA {
namespace {

constexpr bool unsigned_weights = false, powers_apart = false;
constexpr int int8_tile_panels = 1;
constexpr int dot_bits(int) {
  return 8;
}

template <int R, int P, class K, class Done>
inline void dot_block(const uint8_t* const (&w)[P], const int8_t* x, int64_t ldx, const int32_t*, int64_t, Done done) {
  static_assert(P == 1);
  dot_panel<R, K::groups>(w[0], x, ldx, [&](int r, int g, Lanes dot) { done(r, 0, g, dot); });
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
