// Overflow-checked size arithmetic for numbers that come from files.
#pragma once
#include <cstdint>

#include "base/error.h"

namespace owl3 {

/// Returns a * b. Error{bad_model}, which names `what`, when it does not fit 64 bits.
inline uint64_t checked_mul(uint64_t a, uint64_t b, const char* what) {
  uint64_t r;
  if (__builtin_mul_overflow(a, b, &r)) throw Error(ErrorCode::bad_model, std::string(what) + ": size overflows");
  return r;
}
/// Returns a + b. Error{bad_model}, which names `what`, when it does not fit 64 bits.
inline uint64_t checked_add(uint64_t a, uint64_t b, const char* what) {
  uint64_t r;
  if (__builtin_add_overflow(a, b, &r)) throw Error(ErrorCode::bad_model, std::string(what) + ": size overflows");
  return r;
}

}  // namespace owl3
