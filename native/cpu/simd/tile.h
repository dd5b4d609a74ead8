// The inner loop of products whose sums stay in registers.
#pragma once
#include <cstdint>

namespace owl3::cpu::OWL3_ISA {
namespace {

/// sums[r][p] = add(sums[r][p], a(r, k), b(p, k)) for k = 0, 1, ... steps - 1: R rows times P panels, where `a` gives a
/// row's value in every lane and `b` the values of a panel's columns. A sum runs over k in order, whatever R and P are.
template <int R, int P, class Sum, class A, class B, class Add>
__attribute__((always_inline)) inline void multiply_tile(Sum (&sums)[R][P], int64_t steps, A a, B b, Add add) {
  for (int64_t k = 0; k < steps; ++k) {
    decltype(b(0, k)) y[P];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) y[p] = b(p, k);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto x = a(r, k);
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) sums[r][p] = add(sums[r][p], x, y[p]);
    }
  }
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
