// Integer vectors as wide as a register, in the compiler's own notation.
#pragma once
#include <cstdint>

namespace owl3::cpu::OWL3_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif
typedef uint8_t Bytes __attribute__((vector_size(vector_bytes), may_alias));
/// Shifts work on 16 bits at a time: masks cut off what comes from the neighbouring byte.
typedef uint16_t Pairs __attribute__((vector_size(vector_bytes), may_alias));

constexpr int quad_parts = 64 / vector_bytes;
/// Four columns of a panel's sixteen outputs, one byte each.
struct Quad {
  Pairs v[quad_parts];
};

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
