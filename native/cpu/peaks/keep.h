// Keeps the compiler from leaving out what is computed for nothing but its time.
#pragma once

namespace owl3::cpu::OWL3_ISA {
namespace {

/// Keeps a value alive. Accumulators are added up first: an address taken would have the loop store them.
template <class T>
inline void keep(T& x) {
  __asm__ volatile("" : : "g"(&x) : "memory");
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
